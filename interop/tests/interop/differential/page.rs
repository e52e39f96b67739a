//! The deviations as docs/PROTOCOLS.md lists them: tables of three columns, what is sent and what either server answers.

/// A row: what is sent, what the other server answers, what graven answers.
#[derive(Debug)]
pub(crate) struct Deviation {
    pub(crate) sent: Vec<u8>,
    pub(crate) theirs: Vec<u8>,
    pub(crate) ours: Vec<u8>,
}

/// The table under the heading row `| sent | NAME answers | graven answers |`.
pub(crate) fn deviations(name: &str) -> Vec<Deviation> {
    let page = include_str!("../../../../docs/PROTOCOLS.md");
    let heading = format!("| sent | {name} answers | graven answers |");
    let rows = page.lines().skip_while(|line| *line != heading).skip(2);
    let deviations: Vec<_> = rows.take_while(|line| line.starts_with('|')).map(row).collect();
    assert!(!deviations.is_empty(), "docs/PROTOCOLS.md has no table {heading}");
    deviations
}

fn row(line: &str) -> Deviation {
    let cells: Vec<&str> =
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
    let [sent, theirs, ours] = cells[..] else { panic!("not a row of three cells: {line}") };
    Deviation { sent: bytes(sent), theirs: bytes(theirs), ours: bytes(ours) }
}

/// Undoes the escapes `\r`, `\n`, `\t`, `\\`, `\xHH`, and the repetition `{text}*N`; `nothing` is no bytes.
fn bytes(cell: &str) -> Vec<u8> {
    if cell == "nothing" {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    let mut rest = cell.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [b'r', after @ ..]) => (bytes.push(b'\r'), rest = after).0,
            (b'\\', [b'n', after @ ..]) => (bytes.push(b'\n'), rest = after).0,
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit") as u8;
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            (b'{', _) => {
                let end = after.iter().position(|&byte| byte == b'}').expect("a closing brace");
                let count = after[end + 2..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let times: usize = std::str::from_utf8(&after[end + 2..][..count]).unwrap().parse().unwrap();
                let repeated = std::str::from_utf8(&after[..end]).expect("a cell is text");
                bytes.extend_from_slice(&self::bytes(repeated).repeat(times));
                rest = &after[end + 2 + count..];
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}
