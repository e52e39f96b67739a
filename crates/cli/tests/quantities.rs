//! Numbers, sizes and times are written alike in every subcommand, and what is wrong with one is said
//! in the same words.

mod support;

use support::{Ended, example_data, run};

#[test]
fn numbers_may_have_units_exponents_and_separators() {
    for lines in ["10k", "1e4", "10_000", "0.01M"] {
        let written = run(&["gen", "-n", lines]);
        assert_eq!((written.status, written.out.lines().count()), (Some(0), 10_000), "{lines}");
    }
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("table.graven");
    let input = example_data();
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    for memory in ["8MiB", "8e6", "0.008G"] {
        let built = run(&["build", input, "-o", output, "--memory", memory, "--threads", "2"]);
        assert_eq!(built.status, Some(0), "{memory}: {}", built.err);
    }
}

#[test]
fn what_is_no_quantity_is_refused_with_what_was_found_and_what_is_understood() {
    let count = "write it as 10, 10k, 1M, 1e6 or 1_000";
    for (arguments, says) in [
        (&["gen", "-n", "1.5"][..], "this is not a whole number"),
        (&["gen", "-n", "ten"], &format!("this is not a number; {count}")),
        (&["gen", "-n", "10q"], &format!("`q` is not a unit of a number; {count}")),
        (&["gen", "-n", "1", "--seed", "99999999999999999999"], "it must be 0 or more"),
        (&["build", "-", "--threads", "0"], "it must be 1 or more"),
        (&["build", "-", "--memory", "1MiB"], "it must be 4MiB or more"),
        (&["build", "-", "--bucket", "0"], "it must be from 1 to "),
        (&["bench", "a:1", "--keys", "-", "-c", "0"], "it must be 1 or more"),
        (&["bench", "a:1", "--keys", "-", "-d", "8d"], "it must be from 0s to 7d"),
        (
            &["bench", "a:1", "--keys", "-", "-d", "soon"],
            "this is not a time; write it as 30s, 250ms or 1m30s",
        ),
        (
            &["bench", "a:1", "--keys", "-", "--rate", "fast"],
            "this is not a number; write it as 0.5, 10, 10k or 1e6",
        ),
        (&["bench", "a:1", "--keys", "-", "--miss", "2"], "it must be from 0 to 1"),
        (&["serve", "-", "--cache", "64Mi8"], "this is not a size"),
        (&["serve", "-", "--idle-timeout", "never"], "this is not a time"),
    ] {
        let Ended { status, out, err } = run(arguments);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{arguments:?}");
        let found = arguments.last().unwrap();
        assert!(err.starts_with(&format!("error: invalid value '{found}' for ")), "{arguments:?}: {err}");
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
}
