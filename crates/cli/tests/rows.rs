//! Tables with columns as processes: built of csv, tsv and jsonl, told of, asked and written out
//! again byte for byte.

mod support;

use std::fs;
use std::path::Path;

use support::{Serving, run};

/// The lines of a text in order, the first left where it is.
fn sorted(text: &str, header: bool) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[usize::from(header)..].sort();
    lines
}

/// A command ends with status 2 and a sentence that holds this.
fn assert_refused(arguments: &[&str], sentence: &str) {
    let ended = run(arguments);
    assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
    assert!(ended.err.contains(sentence), "{}", ended.err);
}

fn build(input: &Path, arguments: &[&str]) -> (std::path::PathBuf, String) {
    let output = input.with_extension("graven");
    let (file, to) = (input.to_str().unwrap(), output.to_str().unwrap());
    let built = run(&[&["build", file, "-o", to], arguments].concat());
    assert_eq!(built.status, Some(0), "{}", built.err);
    (output, built.err + &built.out)
}

fn dump(table: &Path, format: &str, more: &[&str]) -> String {
    let dumped = run(&[&["dump", table.to_str().unwrap(), "--format", format], more].concat());
    assert_eq!((dumped.status, dumped.err.as_str()), (Some(0), ""));
    dumped.out
}

/// Excerpts of what Debian's ieee-data and iso-codes, OurAirports and GeoNames have.
const AIRPORTS: &str = "\
id,ident,type,name,latitude_deg,longitude_deg,elevation_ft,continent,scheduled_service,gps_code,home_link
6523,00A,heliport,Total RF Heliport,40.070985,-74.933689,11,NA,no,K00A,https://example.org/penn
323361,00AA,small_airport,Aero B Ranch Airport,38.704022,-101.473911,3435,NA,no,00AA,
6524,00AK,small_airport,\"Lowell \"\"Big\"\" Field, North\",59.947733,-151.692524,450,NA,no,00AK,
2434,EGLL,large_airport,London Heathrow Airport,51.4706,-0.461941,83,EU,yes,EGLL,http://www.heathrowairport.com/
26396,RJTT,large_airport,Tōkyō Haneda,35.552299,139.779999,,AS,yes,RJTT,
";
const OUI: &str = "\
Registry,Assignment,Organization Name,Organization Address
MA-L,002272,American Micro-Fuel Device Corp.,2181 Buchanan Loop Ferndale WA US 98248
MA-L,00D0EF,IGT,9295 PROTOTYPE DRIVE RENO NV US 89511
MA-L,086195,\"Rockwell, Automation\",1 Allen-Bradley Dr. Mayfield Heights OH US 44124-6118
";
const GEONAMES: &str = "\
3038999\tSoldeu\tSoldeu\t42.57688\t1.66769\tP\tPPL\tAD\t\t02\t602\t\t1832\tEurope/Andorra\t2017-11-06
3039154\tEl Tarter\tEl Tarter\t42.57952\t1.65362\tP\tPPL\tAD\t\t02\t1052\t\t1721\tEurope/Andorra\t2012-11-03
3039163\tSant Julià de Lòria\tSant Julia de Loria\t42.46372\t1.49129\tP\tPPLA\tAD\t\t06\t8022\t\t921\tEurope/Andorra\t2013-11-23
";
const ISO_CODES: &str = "\
{\"alpha_3\":\"aaa\",\"name\":\"Ghotuo\",\"scope\":\"I\",\"type\":\"L\"}
{\"alpha_2\":\"aa\",\"alpha_3\":\"aar\",\"name\":\"Afar\",\"scope\":\"I\",\"type\":\"L\"}
{\"alpha_2\":\"sq\",\"alpha_3\":\"sqi\",\"bibliographic\":\"alb\",\"name\":\"Albanian\",\"scope\":\"M\",\"type\":\"L\"}
{\"alpha_3\":\"abg\",\"common_name\":null,\"name\":\"Abaga \\\"of\\\" Papua\\n\",\"scope\":\"I\",\"type\":\"L\"}
";

#[test]
fn a_csv_comes_back_byte_for_byte_and_through_json_too() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text, key) in [("airports.csv", AIRPORTS, "id"), ("oui.csv", OUI, "Assignment")] {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        let (table, _) = build(&path, &["--columns", "*", "--key", key]);
        assert_eq!(sorted(&dump(&table, "csv", &[]), true), sorted(text, true), "{name}");
        let json = dump(&table, "jsonl", &[]);
        let path = directory.path().join(name).with_extension("jsonl");
        fs::write(&path, &json).unwrap();
        let (again, _) = build(&path, &["--columns", "*", "--key", key]);
        assert_eq!(sorted(&dump(&again, "jsonl", &[]), false), sorted(&json, false), "{name}");
        assert_eq!(sorted(&dump(&again, "csv", &[]), true), sorted(text, true), "{name}");
    }
}

#[test]
fn a_tsv_without_names_has_numbers_for_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("AD.tsv");
    fs::write(&path, GEONAMES).unwrap();
    assert_refused(
        &["build", path.to_str().unwrap(), "--columns", "*"],
        "the first row does not look like the names of the columns: 3038999, Soldeu",
    );
    let (table, said) = build(&path, &["--columns", "*", "--no-header"]);
    assert!(said.contains("19") || said.contains("15"), "{said}");
    let csv = dump(&table, "csv", &["--no-header"]);
    assert_eq!(sorted(&csv.replace(',', "\t"), false), sorted(GEONAMES, false));
    let found = run(&["get", table.to_str().unwrap(), "3038999", "--fields", "2,4,10,15"]);
    assert_eq!(found.out, "{\"2\":\"Soldeu\",\"4\":42.57688,\"10\":\"02\",\"15\":\"2017-11-06\"}\n");
}

#[test]
fn objects_come_back_with_the_members_that_they_had() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("iso_639-3.jsonl");
    fs::write(&path, ISO_CODES).unwrap();
    let (table, _) = build(&path, &["--columns", "*", "--key", "alpha_3"]);
    assert_eq!(sorted(&dump(&table, "jsonl", &[]), false), sorted(ISO_CODES, false));
    // Numbers keep their spelling, and a type that differs from row to row is kept.
    let path = directory.path().join("numbers.jsonl");
    let text = "{\"k\":1,\"n\":35.0,\"m\":1.50,\"x\":\"7\"}\n{\"k\":2,\"n\":0.5,\"m\":2.25,\"x\":7}\n{\"k\":3,\"n\":1e5,\"m\":-1.00,\"x\":[1,{\"a\":null}]}\n";
    fs::write(&path, text).unwrap();
    let (table, said) = build(&path, &["--columns", "*", "--key", "k"]);
    assert_eq!(sorted(&dump(&table, "jsonl", &[]), false), sorted(text, false));
    assert!(said.contains("json") && said.contains("decimal"), "{said}");
    let got = run(&["get", "--json", table.to_str().unwrap(), "1"]);
    assert_eq!(got.out, "{\"key\":\"1\",\"value\":{\"n\":35.0,\"m\":1.50,\"x\":\"7\"}}\n");
}

#[test]
fn the_key_is_written_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    let text = "a,id,b\n1,x,2\n3,y,\n";
    fs::write(&path, text).unwrap();
    let (table, _) = build(&path, &["--columns", "*", "--key", "id"]);
    assert_eq!(sorted(&dump(&table, "csv", &[]), true), sorted(text, true));
    assert_eq!(
        sorted(&dump(&table, "jsonl", &[]), false),
        ["{\"a\":1,\"id\":\"x\",\"b\":2}", "{\"a\":3,\"id\":\"y\",\"b\":null}"]
    );
    let (table, _) = build(&path, &["--columns", "b,id", "--key", "id"]);
    assert_eq!(sorted(&dump(&table, "csv", &[]), true), ["b,id", ",y", "2,x"]);
    let (table, _) = build(&path, &["--columns", "b", "--key", "id"]);
    assert_eq!(sorted(&dump(&table, "csv", &[]), true), ["id,b", "x,2", "y,"]);
    assert_eq!(sorted(&dump(&table, "data", &[]), false), ["x {\"b\":2}", "y {\"b\":null}"]);
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("t.csv");
    fs::write(&csv, "id,price\n1,12.5\n2,free\n").unwrap();
    let file = csv.to_str().unwrap();
    let output = directory.path().join("t.graven");
    let to = ["-o", output.to_str().unwrap()];
    let refused = |arguments: &[&str], sentence: &str| {
        assert_refused(&[&["build", file], arguments, &to].concat(), sentence);
    };
    refused(
        &["--columns", "*", "--types", "price:decimal"],
        "t.csv:3: column `price`: expected a number, as -1.50, found `free`; say another type with `--types`",
    );
    refused(
        &["--columns", "*", "--types", "prize:int"],
        "a type is said of column prize; the columns are price",
    );
    refused(&["--columns", "prize"], "no column is named prize; the columns are id, price");
    refused(&["--columns", "*", "--types", "price:money"], "expected a type, one of bool, int");
    refused(&["--columns", "price,price"], "two columns have the name `price`");
    assert!(!output.exists());
    let (table, _) = build(&csv, &["--columns", "*"]);
    let name = table.to_str().unwrap();
    assert_refused(&["get", name, "1", "--fields", "prize"], "has no column `prize`; its columns are price");
    let pairs = directory.path().join("pairs.data");
    fs::write(&pairs, "a 1\n").unwrap();
    let (table, _) = build(&pairs, &[]);
    let name = table.to_str().unwrap();
    assert_refused(&["get", name, "a", "--fields", "x"], "has no columns; leave out --fields");
    assert_refused(&["dump", name, "--format", "csv"], "has no columns, and a csv consists of them");
}

#[test]
fn info_tells_of_the_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("airports.csv");
    fs::write(&path, AIRPORTS).unwrap();
    let (table, said) = build(&path, &["--columns", "*", "--types", "gps_code:text"]);
    let name = table.to_str().unwrap();
    let page = run(&["info", name]).out;
    for line in [
        "latitude_deg       float64    25 bits, 6 digits behind the point",
        "elevation_ft       int        12 bits",
    ] {
        assert!(page.contains(line) && said.contains(line), "{page}\n{said}");
    }
    let json: serde_json::Value = serde_json::from_str(&run(&["info", "--json", name]).out).unwrap();
    assert_eq!(json["key_column"], "id");
    let elevation = &json["columns"][5];
    assert_eq!((&elevation["name"], &elevation["type"]), (&"elevation_ft".into(), &"int".into()));
    assert_eq!(elevation["nulls"], 1);
}

#[test]
fn generated_rows_come_back_from_both_forms() {
    let directory = tempfile::tempdir().unwrap();
    for (name, format, header) in [("rows.csv", "csv", true), ("rows.jsonl", "jsonl", false)] {
        let path = directory.path().join(name);
        let written = run(&["gen", "--columns", "-n", "3000", "-o", path.to_str().unwrap()]);
        assert_eq!(written.status, Some(0), "{}", written.err);
        let text = fs::read_to_string(&path).unwrap();
        let (table, _) = build(&path, &["--columns", "*", "--key", "user_id"]);
        assert_eq!(sorted(&dump(&table, format, &[]), header), sorted(&text, header));
        assert_eq!(run(&["verify", table.to_str().unwrap()]).status, Some(0));
    }
}

#[test]
fn servers_are_asked_for_columns_as_files_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.jsonl");
    let text = r#"{"k":"a","n":1.50,"x \"&":"é\n","j":[1, 2]}
{"k":"b","n":null,"j":7}
"#;
    fs::write(&path, text).unwrap();
    let (table, _) = build(&path, &["--columns", "*", "--key", "k"]);
    let table = table.to_str().unwrap();
    let serving = Serving::start(&[table]);
    let address = serving.address();
    let (url, redis) = (format!("http://{address}/v1/kv/{{key}}"), format!("redis://{address}"));
    let ask = |target: &str, form: &[&str], fields: &str| {
        run(&[&["get", target, "a", "none", "b", "--fields", fields], form].concat())
    };
    for form in [&[][..], &["--json"], &["--with-keys"], &["--null", "-"]] {
        for fields in ["n", "j,n,x \"&", "j"] {
            let expected = ask(table, form, fields);
            assert!(expected.out.contains("\"j\":7") || fields == "n", "{}", expected.out);
            for target in [address, &url, &redis] {
                let answered = ask(target, form, fields);
                assert_eq!((answered.status, &answered.out), (expected.status, &expected.out), "{target}");
                assert_eq!(answered.err, expected.err);
            }
        }
    }
    assert_refused(&["get", address, "a", "--fields", "nome"], "answered 400: ");
    let unknown = run(&["get", &redis, "a", "--fields", "n,nome"]);
    assert_eq!((unknown.status, unknown.out.as_str()), (Some(0), "{\"n\":1.50}\n"));
    assert!(unknown.err.contains("no row that was found has a column `nome`"), "{}", unknown.err);
    assert_refused(
        &["get", &format!("memcached://{address}"), "a", "--fields", "n"],
        "memcached's protocol, which has no way to say --fields; ask over HTTP or Redis",
    );
    let pairs = directory.path().join("pairs.data");
    fs::write(&pairs, "a 1\n").unwrap();
    let serving = Serving::start(&[pairs.to_str().unwrap()]);
    let redis = format!("redis://{}", serving.address());
    assert_refused(
        &["get", &redis, "a", "--fields", "n"],
        "the value of a has no columns; leave out --fields",
    );
}

#[test]
fn rows_are_served_straight_from_text_as_build_would_carve_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    fs::write(&path, "price,id,name\n1.50,a,one\n,b,two\n").unwrap();
    let file = path.to_str().unwrap();
    let (table, _) = build(&path, &["--columns", "*", "--key", "id", "--types", "price:text"]);
    let carved = Serving::start(&[table.to_str().unwrap()]);
    let server = Serving::start(&[file, "--columns", "*", "--key", "id", "--types", "price:text"]);
    for target in [server.address(), &format!("redis://{}", server.address())] {
        for fields in [&["--fields", "name"][..], &["--fields", "price,name"], &[]] {
            let ask = |target: &str| run(&[&["get", target, "a", "b"], fields].concat());
            let expected = ask(&target.replace(server.address(), carved.address()));
            assert_eq!(ask(target), expected);
            assert_eq!(expected.status, Some(0), "{expected:?}");
        }
    }
    assert_eq!(run(&["get", server.address(), "a"]).out, "{\"price\":\"1.50\",\"name\":\"one\"}\n");
    // The same in a configuration file.
    let config = directory.path().join("graven.toml");
    let text = format!("[[tables]]\nfile = {file:?}\n[all-tables]\nkey = \"id\"\ncolumns = \"name\"\n");
    fs::write(&config, text).unwrap();
    let server = Serving::start(&["--config", config.to_str().unwrap()]);
    assert_eq!(run(&["get", server.address(), "b"]).out, "{\"name\":\"two\"}\n");
}

#[test]
fn columns_that_cannot_be_served_are_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    fs::write(&path, "price,id\n1.50,a\nx,b\n").unwrap();
    let file = path.to_str().unwrap();
    let (table, _) = build(&path, &["--columns", "*", "--key", "id"]);
    let serve = |more: &[&'static str]| [&["serve", file, "--listen", "127.0.0.1:0"], more].concat();
    let carved = ["serve", table.to_str().unwrap(), "--listen", "127.0.0.1:0", "--columns", "*"];
    assert_refused(
        &carved,
        "is a carved file, whose key and columns were chosen when it was built; leave --columns to `graven build`",
    );
    assert_refused(&serve(&["--columns", "*", "--key", "nome"]), "nome");
    assert_refused(&serve(&["--columns", "*", "--key", "id", "--types", "price:decimal"]), "t.csv:3");
    assert_refused(
        &serve(&["--key", "id", "--types", "price:text"]),
        "--types says what columns hold, and there are none",
    );
    assert_refused(
        &serve(&["--columns", "*", "--key", "id", "--duplicates", "list"]),
        "--duplicates list makes lists of whole values, and --columns rows; leave out one of them",
    );
}

#[test]
fn several_files_become_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("part-1.csv"), "id,stock\n1,7\n2,8\n").unwrap();
    fs::write(path("part-2.csv"), "stock,id\n9.50,3\n").unwrap();
    let (pattern, table) = (path("part-*.csv"), path("all.graven"));
    let rows = ["--columns", "*", "--key", "id"];
    let built = run(&[&["build", &pattern, "-o", &table], &rows[..]].concat());
    assert_eq!(built.status, Some(0), "{}", built.err);
    assert!(built.out.contains("3 pairs") && built.out.contains("decimal"), "{}", built.out);
    let got = run(&["get", &table, "2", "3"]);
    assert_eq!(got.out, "{\"stock\":8}\n{\"stock\":9.50}\n");

    let (first, second) = (path("part-1.csv"), path("part-2.csv"));
    assert_refused(&["build", &first, &second, "-o", &table], "make rows of all with `--columns '*'`");
    fs::write(path("part-3.csv"), "id,price\n4,1\n").unwrap();
    let third = path("part-3.csv");
    let refused = [&["build", &first, &third, "-o", &table], &rows[..]].concat();
    assert_refused(&refused, "part-3.csv:1: its columns are others than those of");
    assert_refused(&refused, "it has no column stock; name the columns that all have with `--columns`");
    // What was built stays.
    assert_eq!(run(&["get", &table, "3"]).out, "{\"stock\":9.50}\n");
}
