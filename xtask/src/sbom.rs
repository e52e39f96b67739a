//! What a binary is made of, as CycloneDX 1.5 has it: every crate that cargo compiles into it, with version, licence and the
//! checksum by which cargo knows it.
//!
//! Made here from what cargo tells, because it is one object of a few fields, and a tool for it would take longer to compile
//! than everything else that is shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::process::{Outcome, cargo, output_of, root};
use crate::static_binary::{Scope, TARGET};

/// The document for a binary.
pub(crate) fn of(scope: Scope) -> Outcome<String> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]);
    let manifest = root().join("crates/cli/Cargo.toml");
    metadata.args(["--features", scope.features(), "--manifest-path"]).arg(manifest);
    let metadata: Value = serde_json::from_slice(&output_of(&mut metadata)?)?;
    let checksums = checksums(&fs::read_to_string(root().join("Cargo.lock"))?);
    let document = document(&metadata, &checksums).ok_or("cargo metadata has another form than it had")?;
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

/// The checksums of a lock file by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").skip(1);
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.and_then(|line| line.strip_suffix('"')).map(str::to_owned)
    };
    let found = packages.filter_map(|package| {
        Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?))
    });
    found.collect()
}

fn document(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Option<Value> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()?
        .iter()
        .map(|package| Some((package["id"].as_str()?, package)))
        .collect::<Option<_>>()?;
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()?
        .iter()
        .map(|node| Some((node["id"].as_str()?, node)))
        .collect::<Option<_>>()?;
    let (graven, binary) = packages.iter().find(|(_, package)| package["name"] == "graven")?;

    // What is compiled into the binary, from the binary down: neither build scripts nor tests.
    let mut compiled = BTreeSet::from([*graven]);
    let mut open = vec![*graven];
    let mut dependencies = Vec::new();
    while let Some(id) = open.pop() {
        let mut below = BTreeSet::new();
        for dependency in nodes.get(id)?["deps"].as_array()? {
            let is_normal = dependency["dep_kinds"].as_array()?.iter().any(|kind| kind["kind"].is_null());
            let is_macro =
                packages.get(dependency["pkg"].as_str()?)?["targets"].as_array()?.iter().any(|target| {
                    target["kind"].as_array().is_some_and(|kinds| kinds.contains(&"proc-macro".into()))
                });
            if is_normal && !is_macro {
                below.insert(dependency["pkg"].as_str()?);
            }
        }
        open.extend(below.iter().filter(|id| !compiled.contains(*id)));
        compiled.extend(&below);
        let below: Vec<String> = below.iter().map(|id| purl(packages[id])).collect();
        dependencies.push(json!({ "ref": purl(packages[id]), "dependsOn": below }));
    }
    dependencies.sort_by_key(|dependency| dependency["ref"].to_string());
    dependencies.dedup();
    let components: Vec<Value> = compiled
        .iter()
        .filter(|id| *id != graven)
        .map(|id| component(packages[id], "library", checksums))
        .collect();
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(binary, "application", checksums) },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// The name of a crate among all packages.
fn purl(package: &Value) -> String {
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    format!("pkg:cargo/{}@{}", text("name"), text("version"))
}

fn component(package: &Value, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "purl": purl(package),
        "name": package["name"],
        "version": package["version"],
    });
    if !text("license").is_empty() {
        // Older manifests have a slash for "or".
        let licence = text("license").replace(" OR ", "/").replace('/', " OR ");
        component["licenses"] = json!([{ "expression": licence }]);
    }
    if let Some(checksum) = checksums.get(&(text("name").to_owned(), text("version").to_owned())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_compiled_into_the_binary_is_listed() {
        let package = |name: &str, kind: &str| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "targets": [{ "kind": [kind] }] });
        let node = |name: &str, deps: Value| json!({ "id": name, "deps": deps });
        let dep = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("graven", "bin"), package("a", "lib"), package("b", "lib"), package("c", "lib"), package("m", "proc-macro")],
            "resolve": { "nodes": [
                node("graven", json!([dep("a", Value::Null), dep("c", json!("dev")), dep("m", Value::Null)])),
                node("a", json!([dep("b", Value::Null), dep("c", json!("build"))])),
                node("b", json!([])), node("c", json!([])), node("m", json!([])),
            ] },
        });
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"12ab\"\n";
        let document = document(&metadata, &checksums(lock)).unwrap();
        let components = document["components"].as_array().unwrap();
        let names: Vec<&str> =
            components.iter().map(|component| component["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(components[0]["hashes"][0]["content"], "12ab");
        assert_eq!(components[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(document["metadata"]["component"]["name"], "graven");
        assert_eq!(document["dependencies"].as_array().unwrap().len(), 3);
    }
}
