//! Commands with subcommands, which ask about the server and its connections: how each is understood and refused.
//!
//! The refusals were compared with a running Redis 7.0, which has no limits of patterns and of arguments.

mod asked;

use asked::{refusal, refusal_of_line, with_args, with_line};
use graven_wire::resp::{
    ClientTopic, Command, CommandFilter, CommandTopic, KillCondition, LatencyTopic, MemoryTopic, ObjectTopic,
    PubSubTopic, Refusal, ReplyMode, SlowlogTopic,
};

#[test]
fn every_subcommand_is_understood_in_any_case() {
    let of_key = |topic| Command::Object { topic, key: b"k" };
    let get = |count| Command::Slowlog(SlowlogTopic::Get { count });
    let pause = |timeout_ms, all| Command::Client(ClientTopic::Pause { timeout_ms, all });
    let list = |filter| Command::Command(CommandTopic::List(filter));
    let usage = Command::Memory(MemoryTopic::Usage { key: b"k" });
    let table: &[(&str, Command<'_>)] = &[
        ("CLIENT REPLY on", Command::Client(ClientTopic::Reply(ReplyMode::On))),
        ("client reply OFF", Command::Client(ClientTopic::Reply(ReplyMode::Off))),
        ("client reply Skip", Command::Client(ClientTopic::Reply(ReplyMode::Skip))),
        ("client caching YES", Command::Client(ClientTopic::Caching(Some(true)))),
        ("client caching no", Command::Client(ClientTopic::Caching(Some(false)))),
        ("client caching maybe", Command::Client(ClientTopic::Caching(None))),
        ("client trackinginfo", Command::Client(ClientTopic::TrackingInfo)),
        ("client getredir", Command::Client(ClientTopic::GetRedirect)),
        ("client pause 0", pause(0, true)),
        ("client pause 5 WRITE", pause(5, false)),
        ("client pause 5 ALL", pause(5, true)),
        ("client unpause", Command::Client(ClientTopic::Nothing)),
        ("client unblock 1", Command::Client(ClientTopic::Unblock)),
        ("client unblock 1 TIMEOUT", Command::Client(ClientTopic::Unblock)),
        ("client unblock 1 ERROR", Command::Client(ClientTopic::Unblock)),
        ("client no-evict ON", Command::Client(ClientTopic::Nothing)),
        ("client no-evict OFF", Command::Client(ClientTopic::Nothing)),
        ("client no-touch ON", Command::Client(ClientTopic::Nothing)),
        ("command LIST", list(CommandFilter::All)),
        ("command list FILTERBY PATTERN g*", list(CommandFilter::Pattern(b"g*"))),
        ("command list filterby aclcat read", list(CommandFilter::Category(b"read"))),
        ("command list filterby module m", list(CommandFilter::Nothing)),
        ("object FREQ k", of_key(ObjectTopic::Frequency)),
        ("object idletime k", of_key(ObjectTopic::IdleTime)),
        ("object refcount k", of_key(ObjectTopic::RefCount)),
        ("memory USAGE k", usage),
        ("memory usage k SAMPLES 0", usage),
        ("memory usage k samples 5", usage),
        ("memory stats", Command::Memory(MemoryTopic::Stats)),
        ("memory doctor", Command::Memory(MemoryTopic::Doctor)),
        ("memory malloc-stats", Command::Memory(MemoryTopic::MallocStats)),
        ("memory purge", Command::Memory(MemoryTopic::Purge)),
        ("slowlog GET", get(Some(10))),
        ("slowlog get 0", get(Some(0))),
        ("slowlog get 3", get(Some(3))),
        ("slowlog get -1", get(None)),
        ("slowlog len", Command::Slowlog(SlowlogTopic::Len)),
        ("slowlog reset", Command::Slowlog(SlowlogTopic::Reset)),
        ("latency LATEST", Command::Latency(LatencyTopic::Latest)),
        ("latency history e", Command::Latency(LatencyTopic::History)),
        ("latency reset", Command::Latency(LatencyTopic::Reset)),
        ("latency doctor", Command::Latency(LatencyTopic::Doctor)),
        ("latency graph e", Command::Latency(LatencyTopic::Graph { event: b"e" })),
        ("latency histogram", Command::Latency(LatencyTopic::Histogram)),
        ("pubsub CHANNELS", Command::PubSub(PubSubTopic::Channels)),
        ("pubsub channels a*", Command::PubSub(PubSubTopic::Channels)),
        ("pubsub shardchannels", Command::PubSub(PubSubTopic::Channels)),
        ("pubsub shardchannels a*", Command::PubSub(PubSubTopic::Channels)),
        ("pubsub numpat", Command::PubSub(PubSubTopic::Patterns)),
        ("module LIST", Command::ModuleList),
        ("acl WHOAMI", Command::WhoAmI),
    ];
    for (line, expected) in table {
        with_line(line, |command| assert_eq!(command.as_ref(), Ok(expected), "{line}"));
    }
    let listed = |command: Result<Command<'_>, Refusal<'_>>| match command {
        Ok(
            Command::Command(CommandTopic::GetKeys { command: args })
            | Command::PubSub(PubSubTopic::Subscribers { channels: args }),
        ) => args.map(|arg| String::from_utf8_lossy(arg).into_owned()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(with_line("command getkeys GET k", listed), ["GET", "k"]);
    assert_eq!(with_line("pubsub numsub a b", listed), ["a", "b"]);
    assert_eq!(with_line("pubsub shardnumsub a", listed), ["a"]);
}

#[test]
fn clients_are_killed_that_meet_every_condition_in_order() {
    use KillCondition::{Address, Id, LocalAddress, SkipMe, Type, User};
    let table: &[(&str, bool, &[KillCondition<'_>])] = &[
        ("client kill 127.0.0.1:5", true, &[Address(b"127.0.0.1:5")]),
        ("client kill ID 1", false, &[Id(1)]),
        ("client kill addr a laddr b user me", false, &[Address(b"a"), LocalAddress(b"b"), User(b"me")]),
        ("client kill type normal skipme YES", false, &[Type { normal: true }, SkipMe(true)]),
        ("client kill skipme No type pubsub", false, &[SkipMe(false), Type { normal: false }]),
    ];
    for (line, old_form, expected) in table {
        with_line(line, |command| {
            let Ok(Command::Client(ClientTopic::Kill(filter))) = command else {
                panic!("{line}: {command:?}")
            };
            assert_eq!(filter.old_form, *old_form, "{line}");
            assert_eq!(filter.conditions().collect::<Vec<_>>(), *expected, "{line}");
        });
    }
}

#[test]
fn what_tracking_is_told_is_what_it_is_asked_for() {
    // On, broadcast, opted in, opted out, without its own changes; to whom; of which prefixes.
    let table: &[(&str, [bool; 5], i64, &[&str])] = &[
        ("on", [true, false, false, false, false], 0, &[]),
        ("OFF", [false; 5], 0, &[]),
        ("on BCAST", [true, true, false, false, false], 0, &[]),
        ("on OPTIN", [true, false, true, false, false], 0, &[]),
        ("on OPTOUT", [true, false, false, true, false], 0, &[]),
        ("on NOLOOP", [true, false, false, false, true], 0, &[]),
        ("on REDIRECT 7", [true, false, false, false, false], 7, &[]),
        (
            "on bcast prefix a redirect 7 prefix redirect noloop",
            [true, true, false, false, true],
            7,
            &["a", "redirect"],
        ),
        ("off optin optout", [false, false, true, true, false], 0, &[]),
    ];
    for (options, flags, redirect, prefixes) in table {
        with_line(&format!("client tracking {options}"), |command| {
            let Ok(Command::Client(ClientTopic::Tracking(tracking))) = command else {
                panic!("{options}: {command:?}");
            };
            let found =
                [tracking.on, tracking.broadcast, tracking.opt_in, tracking.opt_out, tracking.no_loop];
            assert_eq!((found, tracking.redirect), (*flags, *redirect), "{options}");
            let expected: Vec<_> = prefixes.iter().map(|prefix| prefix.as_bytes()).collect();
            assert_eq!(tracking.prefixes().collect::<Vec<_>>(), expected, "{options}");
        });
    }
}

#[test]
fn a_container_lists_its_subcommands_for_help() {
    for container in [
        "acl", "client", "command", "config", "latency", "memory", "module", "object", "pubsub", "slowlog",
        "xinfo",
    ] {
        with_line(&format!("{container} Help"), |command| {
            let Ok(Command::Help(lines)) = command else { panic!("{container}: {command:?}") };
            let title = format!("{} <subcommand> ", container.to_uppercase());
            assert!(lines[0].starts_with(&title), "{container}: {lines:?}");
            assert_eq!(lines.last(), Some(&"    Prints this help."), "{container}");
        });
        assert_eq!(
            refusal_of_line(&format!("{container} help x")),
            format!("-ERR wrong number of arguments for '{container}|help' command\r\n")
        );
    }
    with_line("get help", |command| assert_eq!(command, Ok(Command::Get { key: b"help" })));
    with_line("strlen help", |command| assert_eq!(command, Ok(Command::StrLen { key: b"help" })));
}

#[test]
fn subcommands_with_wrong_arguments_are_refused_in_the_words_of_redis() {
    for (line, said) in [
        ("client list foo normal", "syntax error"),
        ("client list type", "syntax error"),
        ("client reply maybe", "syntax error"),
        ("client kill id 0", "client-id should be greater than 0"),
        ("client kill id x", "client-id should be greater than 0"),
        ("client kill skipme maybe", "syntax error"),
        ("client kill type foo", "Unknown client type 'foo'"),
        ("client kill foo bar", "syntax error"),
        ("client kill id 1 addr", "syntax error"),
        ("client pause x", "timeout is not an integer or out of range"),
        ("client pause -1", "timeout is negative"),
        ("client pause 1 reads", "CLIENT PAUSE mode must be WRITE or ALL"),
        (
            "client PAUSE 1 write x",
            "unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
        ),
        ("client unblock x", "value is not an integer or out of range"),
        ("client unblock 1 later", "CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        (
            "client UNBLOCK 1 error x",
            "unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
        ),
        ("client no-evict maybe", "syntax error"),
        ("client tracking maybe", "syntax error"),
        ("client tracking on redirect", "syntax error"),
        ("client tracking on redirect x", "value is not an integer or out of range"),
        ("client tracking on prefix", "syntax error"),
        ("client tracking on prefix a", "PREFIX option requires BCAST mode to be enabled"),
        ("client tracking on bcast optin", "OPTIN and OPTOUT are not compatible with BCAST"),
        ("client tracking on bcast optout", "OPTIN and OPTOUT are not compatible with BCAST"),
        ("client tracking on optin optout", "You can't specify both OPTIN mode and OPTOUT mode"),
        ("command list filterby pattern", "syntax error"),
        ("command list filterfor pattern a", "syntax error"),
        ("command list filterby foo a", "syntax error"),
        ("memory usage k samples", "syntax error"),
        ("memory usage k samples x", "value is not an integer or out of range"),
        ("memory usage k samples -1", "syntax error"),
        ("memory usage k foo 1", "syntax error"),
        ("slowlog get x", "count should be greater than or equal to -1"),
        ("slowlog get -2", "count should be greater than or equal to -1"),
        ("slowlog GET 1 2", "unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP."),
        (
            "pubsub CHANNELS a b",
            "unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
        ),
        (
            "pubsub SHARDCHANNELS a b",
            "unknown subcommand or wrong number of arguments for 'SHARDCHANNELS'. Try PUBSUB HELP.",
        ),
        ("memory foo", "unknown subcommand 'foo'. Try MEMORY HELP."),
        ("slowlog foo", "unknown subcommand 'foo'. Try SLOWLOG HELP."),
        ("latency foo", "unknown subcommand 'foo'. Try LATENCY HELP."),
        ("pubsub foo", "unknown subcommand 'foo'. Try PUBSUB HELP."),
        ("module foo", "unknown subcommand 'foo'. Try MODULE HELP."),
        ("acl foo", "unknown subcommand 'foo'. Try ACL HELP."),
        ("cluster foo", "unknown subcommand 'foo'. Try CLUSTER HELP."),
        ("cluster info", "This instance has cluster support disabled"),
        ("cluster meet a 1", "This instance has cluster support disabled"),
    ] {
        assert_eq!(refusal_of_line(line), format!("-ERR {said}\r\n"), "{line}");
    }
    for (line, command) in [
        ("client reply", "client|reply"),
        ("client caching yes x", "client|caching"),
        ("client trackinginfo x", "client|trackinginfo"),
        ("client getredir x", "client|getredir"),
        ("client kill", "client|kill"),
        ("client pause", "client|pause"),
        ("client unpause x", "client|unpause"),
        ("client unblock", "client|unblock"),
        ("client no-evict", "client|no-evict"),
        ("client no-touch", "client|no-touch"),
        ("client tracking", "client|tracking"),
        ("command getkeys", "command|getkeys"),
        ("command getkeys get", "command|getkeys"),
        ("object freq", "object|freq"),
        ("object idletime", "object|idletime"),
        ("object refcount k x", "object|refcount"),
        ("memory usage", "memory|usage"),
        ("memory stats x", "memory|stats"),
        ("slowlog len x", "slowlog|len"),
        ("slowlog reset x", "slowlog|reset"),
        ("latency latest x", "latency|latest"),
        ("latency history", "latency|history"),
        ("latency doctor x", "latency|doctor"),
        ("latency graph", "latency|graph"),
        ("pubsub numpat x", "pubsub|numpat"),
        ("module list x", "module|list"),
        ("acl whoami x", "acl|whoami"),
        ("cluster info x", "cluster|info"),
        ("cluster meet a", "cluster|meet"),
    ] {
        let expected = format!("-ERR wrong number of arguments for '{command}' command\r\n");
        assert_eq!(refusal_of_line(line), expected, "{line}");
    }
}

#[test]
fn patterns_and_questions_about_the_server_are_limited_to_the_byte() {
    let most = [b'*'; 256];
    with_args(&[b"command", b"list", b"filterby", b"pattern", &most], |args| {
        let expected = Command::Command(CommandTopic::List(CommandFilter::Pattern(&most)));
        assert_eq!(Command::parse(args), Ok(expected));
    });
    assert_eq!(
        refusal(&[b"command", b"list", b"filterby", b"pattern", &[b'*'; 257]]),
        "-ERR a pattern may have 256 bytes, this one has 257\r\n"
    );
    let half = [b'*'; 512];
    with_args(&[b"config", b"get", &half, &half], |args| {
        assert!(matches!(Command::parse(args), Ok(Command::ConfigGet { .. })));
    });
    for more in 1..3 {
        assert_eq!(
            refusal(&[b"config", b"get", &half, &half, &b"**"[..more]]),
            format!("-ERR a pattern may have 1024 bytes, this one has {}\r\n", 1024 + more)
        );
    }
    with_args(&[&b"info"[..]; 1025], |args| {
        assert!(matches!(Command::parse(args), Ok(Command::Info { .. })));
    });
    for found in [1025, 1026] {
        let args = vec![&b"info"[..]; found + 1];
        assert_eq!(
            refusal(&args),
            format!("-ERR this command may have 1024 arguments, this one has {found}\r\n")
        );
    }
}
