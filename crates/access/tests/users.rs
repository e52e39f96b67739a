//! Files of users: who comes in, what they may ask, and what is refused.

use graven_access::{Access, Token, UserProblem, Users, UsersError};

fn user(lines: &str) -> String {
    format!("[[users]]\n{lines}\n")
}

#[test]
fn a_user_comes_with_a_token_by_name_or_without() {
    let (first, second, other) =
        (Token::generate().unwrap(), Token::generate().unwrap(), Token::generate().unwrap());
    let file = user(&format!("name = \"shop\"\ntoken = [\"{}\", \"{}\"]", first.digest(), second.digest()))
        + &user(&format!("name = \"audit\"\ntoken = \"{}\"\ntables = \"log\"", other.digest()));
    let users = Users::from_toml(&file).unwrap();
    let who = |name: Option<&str>, token: &Token| {
        users.login(name.map(str::as_bytes), token.as_str().as_bytes()).map(|user| user.name().to_string())
    };
    let shop = Some("shop".to_owned());
    for token in [&first, &second] {
        for name in [None, Some(""), Some("default"), Some("shop")] {
            assert_eq!(who(name, token), shop, "{name:?}");
        }
        for name in ["audit", "Shop", "shop ", "anonymous", "shopp"] {
            assert_eq!(who(Some(name), token), None, "{name:?}");
        }
    }
    assert_eq!(who(None, &other), Some("audit".to_owned()));
    assert_eq!(users.login(None, b""), None);
    assert_eq!(users.login(None, first.digest().to_string().as_bytes()), None, "a digest is no token");
    assert_eq!(users.anonymous(), None);
}

#[test]
fn tables_and_the_one_that_is_asked_where_none_is_named() {
    let digest = |number: u8| Token::chosen(&format!("{number:032}")).unwrap().digest();
    for (lines, tables, default) in [
        ("", None, None),
        ("tables = \"*\"", None, None),
        ("tables = \"*\"\ndefault = \"b\"", None, Some("b")),
        ("tables = \"a\"", Some(vec!["a"]), Some("a")),
        ("tables = [\"b\", \"a\"]", Some(vec!["a", "b"]), None),
        ("tables = [\"a\", \"b\"]\ndefault = \"b\"", Some(vec!["a", "b"]), Some("b")),
        ("tables = []", Some(vec![]), None),
    ] {
        let file = user(&format!("name = \"u\"\ntoken = \"{}\"\n{lines}", digest(1)));
        let users = Users::from_toml(&file).unwrap();
        let user = users.iter().next().unwrap();
        assert_eq!(user.tables().map(Iterator::collect::<Vec<_>>), tables, "{lines}");
        assert_eq!(user.default_table(), default, "{lines}");
    }
}

#[test]
fn a_file_with_a_mistake_is_refused_and_says_which() {
    let digest = |number: u8| Token::chosen(&format!("{number:032}")).unwrap().digest();
    let with = |lines: &str| user(&format!("name = \"a\"\ntoken = \"{}\"", digest(1))) + &user(lines);
    for (file, problem) in [
        (user("name = \"\""), UserProblem::Name),
        (user("name = \"-a\""), UserProblem::Name),
        (user("name = \"a b\""), UserProblem::Name),
        (user("name = \"default\""), UserProblem::ReservedName),
        (user("name = \"a\""), UserProblem::NoToken),
        (user("name = \"a\"\ntoken = []"), UserProblem::NoToken),
        (with(&format!("name = \"a\"\ntoken = \"{}\"", digest(2))), UserProblem::SameName),
        (with(&format!("name = \"b\"\ntoken = \"{}\"", digest(1))), UserProblem::SameToken),
        (
            user("name = \"a\"\ncertificate = \"c\"") + &user("name = \"b\"\ncertificate = [\"d\", \"c\"]"),
            UserProblem::SameCertificate,
        ),
        (user("name = \"anonymous\"\ncertificate = \"c\""), UserProblem::AnonymousToken),
        (
            user("name = \"anonymous\"\ntables = \"a\"\ndefault = \"b\""),
            UserProblem::Default { table: "b".into() },
        ),
    ] {
        match Users::from_toml(&file) {
            Err(UsersError::User { problem: found, .. }) => assert_eq!(found, problem, "{file}"),
            other => panic!("{file}: {other:?}"),
        }
    }
    let secret = "correct horse battery staple";
    let error = Users::from_toml(&user(&format!("name = \"a\"\ntoken = \"{secret}\""))).unwrap_err();
    assert!(matches!(error, UsersError::User { problem: UserProblem::Token(_), .. }));
    assert!(!error.to_string().contains(secret), "{error}");
}

#[test]
fn what_is_no_file_of_users_is_refused_with_its_line() {
    for (file, line) in [
        ("[[users]]\nname = \"a\"\ntokens = \"b\"\n", 3),
        ("[[users]]\nname = 7\n", 2),
        ("\n\n[[user]]\n", 3),
        ("[[users]\n", 1),
    ] {
        match Users::from_toml(file) {
            Err(UsersError::Syntax { line: found, message }) => {
                assert_eq!(found, line, "{file}: {message}");
                assert!(!message.contains('\n'), "{message}");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
    let found = graven_access::USERS_BYTES_MAX + 1;
    assert_eq!(Users::from_toml(&" ".repeat(found)).unwrap_err(), UsersError::TooLong { found });
}

#[test]
fn a_certificate_stands_for_its_user_and_anonymous_for_everybody_else() {
    let file = user("name = \"job\"\ncertificate = \"job.example.org\"")
        + &user("name = \"anonymous\"\ntables = \"a\"");
    let users = Users::from_toml(&file).unwrap();
    assert_eq!(&**users.of_certificate("job.example.org").unwrap().name(), "job");
    assert_eq!(users.of_certificate("JOB.example.org"), None);
    assert!(users.anonymous().unwrap().may_ask("a") && !users.anonymous().unwrap().may_ask("b"));
}

#[test]
fn other_users_are_another_generation() {
    let access = Access::new(Users::from_toml("").unwrap());
    let (before, held) = (access.generation(), access.users());
    assert!(held.anonymous().is_none() && !access.is_open());
    access.replace(Users::from_toml(&user("name = \"anonymous\"")).unwrap());
    assert_ne!(access.generation(), before);
    assert!(access.users().anonymous().is_some() && held.anonymous().is_none());
    assert!(Access::open().users().anonymous().is_some() && Access::open().is_open());
}
