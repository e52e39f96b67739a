//! `COMMAND` and its subcommands: what clients look up about a command before they send it.

use graven_wire::glob;
use graven_wire::resp::{CommandFilter, CommandTopic, Known, Version, reply};

use super::integer;

pub(super) fn describe_commands(topic: CommandTopic<'_>, version: Version, out: &mut Vec<u8>) {
    match topic {
        CommandTopic::All => {
            reply::array_head(out, Known::all().len());
            Known::all().iter().for_each(|known| describe(known, version, out));
        }
        CommandTopic::Count => reply::integer(out, integer(Known::all().len())),
        CommandTopic::Info { names } if names.len() == 0 => {
            describe_commands(CommandTopic::All, version, out);
        }
        CommandTopic::Info { names } => {
            reply::array_head(out, names.len());
            for name in names {
                match Known::find(name) {
                    Some(known) => describe(known, version, out),
                    None => reply::null(out, version),
                }
            }
        }
        CommandTopic::Docs { names } if names.len() == 0 => document(Known::all().iter(), version, out),
        CommandTopic::Docs { names } => document(names.filter_map(Known::find), version, out),
        CommandTopic::List(filter) => {
            let names: Vec<_> = Known::all().iter().filter(|known| is_listed(known, filter)).collect();
            reply::array_head(out, names.len());
            names.iter().for_each(|known| reply::bulk(out, known.name.as_bytes()));
        }
        CommandTopic::GetKeys { command } => match Known::keys_of(command) {
            Ok(keys) => {
                reply::array_head(out, keys.len());
                keys.iter().for_each(|key| reply::bulk(out, key));
            }
            Err(refusal) => refusal.encode(out),
        },
        _ => reply::error(out, b"ERR this command is understood, but not answered here"),
    }
}

fn is_listed(known: &Known, filter: CommandFilter<'_>) -> bool {
    match filter {
        CommandFilter::All => true,
        CommandFilter::Nothing => false,
        CommandFilter::Pattern(pattern) => {
            glob::matches(&pattern.to_ascii_lowercase(), known.name.as_bytes())
        }
        CommandFilter::Category(category) => {
            known.categories().any(|name| name.as_bytes().eq_ignore_ascii_case(category))
        }
    }
}

fn document<'c>(commands: impl Iterator<Item = &'c Known> + Clone, version: Version, out: &mut Vec<u8>) {
    reply::map_head(out, version, commands.clone().count());
    for known in commands {
        reply::bulk(out, known.name.as_bytes());
        reply::map_head(out, version, 2);
        for text in ["summary", known.summary, "group", known.group] {
            reply::bulk(out, text.as_bytes());
        }
    }
}

/// As Redis 7 does it: name, arity, flags, the first key, the last, the step between them,
/// categories, tips, places of keys, subcommands.
fn describe(known: &Known, version: Version, out: &mut Vec<u8>) {
    let (first, last, step) = known.key_places();
    reply::array_head(out, 10);
    reply::bulk(out, known.name.as_bytes());
    reply::integer(out, known.arity);
    reply::set_head(out, version, known.flags().count());
    known.flags().for_each(|flag| reply::simple(out, flag.as_bytes()));
    for place in [first, last, step] {
        reply::integer(out, place);
    }
    reply::set_head(out, version, known.categories().count());
    known.categories().for_each(|category| reply::simple(out, format!("@{category}").as_bytes()));
    for _ in ["tips", "places of keys", "subcommands"] {
        reply::set_head(out, version, 0);
    }
}
