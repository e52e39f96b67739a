//! What an input holds where nobody said it: its form, by its name and its first lines, and
//! whether a first row names the columns. A guess that could be wrong is an error that says
//! between what; nothing is read in a form that its first lines do not have.

use graven_format::BASE64_SUFFIX;
use graven_format::text::pair_of_line;
use serde::de::IgnoredAny;

use crate::content::Content;
use crate::csv::CsvReader;
use crate::error::{Cause, Fault, LikelyColumns, Position};
use crate::format::Format;
use crate::input::Input;
use crate::json::{FirstMember, first_members};
use crate::likely;
use crate::lines::BYTE_ORDER_MARK;
use crate::options::ReadOptions;

/// Lines of an input that are looked at.
const LINES_MAX: usize = 200;

/// Bytes that separate columns in files that people have.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What comments begin with in files that people have.
const COMMENTS: [&str; 4] = ["#", "//", ";", "--"];

/// What JSON a text is.
enum JsonShape {
    /// Its first line is an object, and there are more lines.
    Lines,
    /// An object in one line, which may be all, or longer than what is looked at.
    OneLine {
        is_all: bool,
    },
    /// An object in several lines.
    Object,
    Array,
}

/// The form of an input.
pub(crate) fn format(input: &Input, options: &ReadOptions) -> Result<Format, Fault> {
    let format = find(input, options)?;
    let columns = options.key.is_some() || options.value.is_some();
    let what = match format {
        Format::Data if columns => Some("columns"),
        Format::Data | Format::Jsonl | Format::Json | Format::Deb822 | Format::Parquet
            if options.header.is_some() =>
        {
            Some("header")
        }
        Format::Csv => None,
        _ if options.delimiter.is_some() => Some("delimiter"),
        Format::Json | Format::Parquet if options.comment.is_some() => Some("comments"),
        _ => None,
    };
    let what = what.or((format != Format::Json && !options.at.is_empty()).then_some("members"));
    let what = what.or((format == Format::Parquet && options.skip > 0).then_some("skipped lines"));
    if format == Format::Parquet && (input.path().is_none() || input.compression().is_some()) {
        return Err(Fault::new(Position::WHOLE, Cause::Stream { format }));
    }
    match what {
        Some(what) => Err(Fault::new(Position::WHOLE, Cause::NotForFormat { what, format })),
        None => Ok(format),
    }
}

/// Refuses several files where one alone is read.
pub(crate) fn is_one(input: &Input, format: Format) -> Result<(), Fault> {
    match input.parts().len() {
        found @ 2.. => Err(Fault::new(Position::WHOLE, Cause::SeveralInputs { format, found })),
        _ => Ok(()),
    }
}

fn find(input: &Input, options: &ReadOptions) -> Result<Format, Fault> {
    let is_parquet = match input.foreign() {
        // Its end is not to be had before all of it was unpacked.
        Some(Content::Parquet) if input.compression().is_none() => true,
        Some(content) => return Err(refuse(content)),
        None => false,
    };
    match options.format.or_else(|| input.path().and_then(Format::of).filter(|_| !is_parquet)) {
        _ if is_parquet && cfg!(feature = "parquet") => return Ok(Format::Parquet),
        Some(Format::Parquet) if cfg!(feature = "parquet") => return Ok(Format::Parquet),
        Some(Format::Parquet) => return Err(refuse(Content::Parquet)),
        _ if is_parquet => return Err(refuse(Content::Parquet)),
        _ => {}
    }
    if let Some(format) = options.format {
        return Ok(format);
    }
    let head = Head::new(input);
    let named = match input.path().and_then(Format::of) {
        // Nothing else has one.
        None if options.delimiter.is_some() => Some(Format::Csv),
        named => named,
    };
    if named != Some(Format::Data) && head.text.contains(&0) {
        return Err(refuse(Content::NulBytes));
    }
    match (named, head.json()) {
        (Some(Format::Jsonl), Some(JsonShape::OneLine { .. } | JsonShape::Lines))
        | (None | Some(Format::Json), Some(JsonShape::Lines)) => {
            return Ok(Format::Jsonl);
        }
        (None | Some(Format::Json), Some(shape)) => return head.document(&shape, named, options),
        (Some(Format::Json), None) => return Ok(Format::Json),
        (_, Some(JsonShape::Array)) => return Err(refuse(Content::JsonArray)),
        (_, Some(JsonShape::Object)) => return Err(refuse(head.object())),
        (_, Some(JsonShape::OneLine { .. } | JsonShape::Lines)) => return Err(refuse(Content::JsonLines)),
        (_, None) => {}
    }
    if named != Some(Format::Csv) && head.ends_lines_in_carriage_returns() {
        return Err(refuse(Content::LoneCarriageReturns));
    }
    if named.is_none() && head.has_stanzas() {
        return Ok(Format::Deb822);
    }
    if !matches!(named, Some(Format::Data | Format::Jsonl))
        && options.comment.is_none()
        && let Some(prefix) = head.comment()
    {
        return Err(refuse(Content::Comment { prefix }));
    }
    match named {
        Some(format) => Ok(format),
        None => match head.delimiter_in_keys(options) {
            Some(delimiter) => Err(refuse(columns_of(input, delimiter, options))),
            None => Ok(Format::Data),
        },
    }
}

/// What columns are called that this byte separates.
fn columns_of(input: &Input, delimiter: u8, options: &ReadOptions) -> Content {
    let likely = FirstRows::of_csv(input, delimiter, options).likely();
    Content::Columns { delimiter, likely }
}

fn refuse(content: Content) -> Fault {
    Fault::new(Position::WHOLE, Cause::Content(content))
}

/// The first bytes of an input, as text.
struct Head<'a> {
    text: &'a [u8],
    /// Whether there is nothing behind it.
    is_all: bool,
}

impl<'a> Head<'a> {
    fn new(input: &'a Input) -> Self {
        let head = input.head();
        Self { text: head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head), is_all: input.is_all_head() }
    }

    /// The lines that are whole.
    fn all_lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let whole = match memchr::memrchr(b'\n', self.text) {
            _ if self.is_all => self.text,
            Some(end) => &self.text[..end],
            None => &[],
        };
        whole.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The first lines that are whole and not empty.
    fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all_lines().filter(|line| !line.is_empty()).take(LINES_MAX)
    }

    /// What JSON it is, if it is.
    fn json(&self) -> Option<JsonShape> {
        let text = self.text.trim_ascii_start();
        let is_object = match text.first()? {
            b'[' => false,
            b'{' => true,
            _ => return None,
        };
        let (first_line, rest) = match memchr::memchr(b'\n', text) {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        if is_object && serde_json::from_slice::<IgnoredAny>(first_line).is_ok() {
            let is_all = self.is_all && rest.is_none_or(|rest| rest.trim_ascii().is_empty());
            return Some(if is_all { JsonShape::OneLine { is_all } } else { JsonShape::Lines });
        }
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
        let is_json = match values.next()? {
            // Behind the value the line ends: `[1] first` is text.
            Ok(IgnoredAny) => {
                let rest = &text[values.byte_offset()..];
                rest.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii().is_empty()
            }
            Err(error) => error.is_eof() && !self.is_all,
        };
        match (is_json, is_object, rest) {
            (false, ..) => None,
            (true, false, _) => Some(JsonShape::Array),
            (true, true, Some(_)) => Some(JsonShape::Object),
            // A line that is longer than the head may be the first of many.
            (true, true, None) => Some(JsonShape::OneLine { is_all: false }),
        }
    }

    /// The form of a JSON text that is no object a line, or whose only line is one. The members of an
    /// object are its pairs where they are alike.
    fn document(
        &self,
        shape: &JsonShape,
        named: Option<Format>,
        options: &ReadOptions,
    ) -> Result<Format, Fault> {
        if !options.at.is_empty() || matches!(shape, JsonShape::Array) {
            return Ok(Format::Json);
        }
        let members = first_members(self.text);
        let has = |name: &str| {
            let mut names = members.iter().map(|member| member.name.as_str());
            names.any(|member| member.strip_suffix(BASE64_SUFFIX).unwrap_or(member) == name)
        };
        if let JsonShape::OneLine { is_all } = shape {
            let is_row = match options.key_names() {
                [] => has("key") && has("value"),
                keys => keys.iter().all(|key| has(key)),
            };
            // Where a line is longer than what is looked at, more may follow.
            let may_go_on = !is_all && named.is_none() && !are_alike(&members);
            if is_row || may_go_on {
                return Ok(Format::Jsonl);
            }
        }
        if are_alike(&members) { Ok(Format::Json) } else { Err(refuse(self.object())) }
    }

    /// What an object is called whose pairs are not found.
    fn object(&self) -> Content {
        let members = first_members(self.text);
        let rows = members.iter().find(|member| member.element == Some(b'{'));
        let member = rows.or_else(|| members.iter().find(|member| member.first == b'{'));
        Content::JsonObject {
            member: member.map(|member| member.name.clone()),
            field: rows.and_then(|member| self.key_in(&member.name).or_else(|| member.field.clone())),
        }
    }

    /// The field that may be the key of the objects in the array that a member is.
    fn key_in(&self, member: &str) -> Option<String> {
        let name = serde_json::to_vec(member).ok()?;
        let behind = &self.text[memchr::memmem::find(self.text, &name)? + name.len()..];
        let array = behind.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        likely::fields(array).map(|likely| likely.key)
    }

    fn ends_lines_in_carriage_returns(&self) -> bool {
        let first = memchr::memchr(b'\r', self.text);
        !self.text.contains(&b'\n') && first.is_some_and(|at| at + 1 < self.text.len())
    }

    /// Whether lines are a name, a colon and a text, or go on such a text, and behind an empty line the
    /// name of the first comes again.
    fn has_stanzas(&self) -> bool {
        let name = |line: &'a [u8]| {
            let (name, rest) = line.split_at(memchr::memchr(b':', line)?);
            let is_name = name.first()?.is_ascii_alphabetic()
                && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-');
            (is_name && matches!(rest, b":" | [b':', b' ' | b'\r', ..])).then_some(name)
        };
        let Some(first) = self.lines().next().and_then(name) else { return false };
        let lines = self.all_lines().map(<[u8]>::trim_ascii_end);
        let is_first_again =
            |(before, line): (&[u8], &'a [u8])| before.is_empty() && name(line) == Some(first);
        self.lines().all(|line| matches!(line, [b' ' | b'\t', ..]) || name(line).is_some())
            && lines.zip(self.all_lines().skip(1)).any(is_first_again)
    }

    /// What the first line, but not every line, begins with as a comment does.
    fn comment(&self) -> Option<&'static str> {
        let first = self.lines().next()?;
        let prefix = COMMENTS.into_iter().find(|prefix| first.starts_with(prefix.as_bytes()))?;
        let is_comment = |line: &[u8]| line.starts_with(prefix.as_bytes());
        let is_sentence = matches!(&first[prefix.len()..], [] | [b' ', ..])
            || first[prefix.len()..].starts_with(prefix.as_bytes());
        (is_sentence || !self.lines().all(is_comment)).then_some(prefix)
    }

    /// The byte that separates columns where the keys of `.data` text would hold it, or end before
    /// it: the same number of it in every line, and at least one in each key; or a tab in every
    /// line, and in some a space before it.
    fn delimiter_in_keys(&self, options: &ReadOptions) -> Option<u8> {
        let is_comment =
            |line: &[u8]| options.comment.as_ref().is_some_and(|prefix| line.starts_with(prefix));
        let lines: Vec<&[u8]> = self.lines().filter(|line| !is_comment(line)).collect();
        let first_blank = |line: &[u8]| memchr::memchr2(b' ', b'\t', line).map(|at| line[at]);
        if !lines.is_empty()
            && lines.iter().all(|line| line.contains(&b'\t'))
            && lines.iter().any(|line| first_blank(line) == Some(b' '))
        {
            return Some(b'\t');
        }
        let has_values = lines.iter().any(|line| first_blank(line).is_some());
        DELIMITERS.into_iter().filter(|&delimiter| delimiter != b'\t').find(|&delimiter| {
            let mut number = None;
            let is_alike = lines.iter().all(|line| {
                let key = line.split(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
                let count = count_outside_quotes(line, delimiter);
                key.contains(&delimiter) && count > 0 && *number.get_or_insert(count) == count
            });
            is_alike && (lines.len() > 1 || lines.len() == 1 && !has_values)
        })
    }

    /// Whether most values of `.data` text begin with a blank: columns that were aligned with
    /// them.
    fn are_values_aligned(&self) -> bool {
        let (mut values, mut aligned) = (0, 0);
        for line in self.lines() {
            let Ok((_, value)) = pair_of_line(line) else { continue };
            values += usize::from(!value.is_empty());
            aligned += usize::from(value.starts_with(b" ") || value.starts_with(b"\t"));
        }
        aligned * 2 > values
    }
}

/// Whether the members of an object are pairs of one table: more than one, and all of them objects, or
/// texts and numbers, or lists of these. What is null may be any of them.
fn are_alike(members: &[FirstMember]) -> bool {
    let kinds = members.iter().filter(|member| member.first != b'n').map(|member| match member.first {
        first @ (b'{' | b'[') => first,
        _ => b'"',
    });
    let mut kinds = kinds.peekable();
    let first = kinds.peek().copied();
    let has_rows = |member: &FirstMember| matches!(member.element, Some(b'{' | b'['));
    members.len() != 1 && kinds.all(|kind| Some(kind) == first) && !members.iter().any(has_rows)
}

/// Whether most values of an input of `.data` text begin with a blank.
pub(crate) fn are_values_aligned(input: &Input) -> bool {
    Head::new(input).are_values_aligned()
}

fn count_outside_quotes(line: &[u8], delimiter: u8) -> usize {
    let mut is_quoted = false;
    line.iter()
        .filter(|&&byte| {
            is_quoted ^= byte == b'"';
            byte == delimiter && !is_quoted
        })
        .count()
}

/// The first rows of a csv.
pub(crate) struct FirstRows {
    rows: Vec<Vec<String>>,
}

impl FirstRows {
    /// The rows that the head holds, up to the first that cannot be read: whoever reads the input
    /// says why.
    pub(crate) fn of_csv(input: &Input, delimiter: u8, options: &ReadOptions) -> Self {
        let mut reader = CsvReader::new(input.head(), delimiter, options.comment.clone());
        let mut rows = Vec::new();
        while let Ok(Some(row)) = reader.next_row() {
            rows.push(row.cells().map(|cell| String::from_utf8_lossy(cell).into()).collect());
            if rows.len() == LINES_MAX {
                break;
            }
        }
        // The head may end inside of the last one.
        if !input.is_all_head() {
            rows.pop();
        }
        Self { rows }
    }

    /// The first rows of a tsv.
    pub(crate) fn of_tsv(input: &Input, options: &ReadOptions) -> Self {
        let cells = |line: &[u8]| {
            let text = String::from_utf8_lossy(line).into_owned();
            text.split('\t').map(str::to_owned).collect()
        };
        let is_comment =
            |line: &&[u8]| options.comment.as_ref().is_some_and(|prefix| line.starts_with(prefix));
        Self { rows: Head::new(input).lines().filter(|line| !is_comment(line)).map(cells).collect() }
    }

    /// The first row.
    pub(crate) fn first(&self) -> Option<&[String]> {
        self.rows.first().map(Vec::as_slice)
    }

    /// How wide all rows are, where they are alike.
    fn width(&self) -> Option<usize> {
        let width = self.rows.first()?.len();
        self.rows.iter().all(|row| row.len() == width).then_some(width)
    }

    /// As many columns as the widest row has.
    fn widest(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or_default()
    }

    /// Adds columns without a name to those of the first row, where rows may have fewer than others.
    pub(crate) fn widen(&self, names: &mut Vec<String>, options: &ReadOptions) {
        if options.short_rows {
            names.resize(names.len().max(self.widest()), String::new());
        }
    }

    /// The rows behind what looks like the names of the columns.
    fn behind_names(&self) -> &[Vec<String>] {
        if self.begin_with_names() && self.rows.len() > 1 { &self.rows[1..] } else { &self.rows }
    }

    /// The columns that may be key and value.
    pub(crate) fn likely(&self) -> LikelyColumns {
        likely::columns(self.behind_names(), self.widest())
    }

    /// Why the first of more than two columns is not the key, where another one may be.
    pub(crate) fn better_key(&self, options: &ReadOptions) -> Option<Cause> {
        let rows = if options.has_header() { self.rows.get(1..)? } else { &self.rows };
        let (found, column) = likely::better_key(rows, self.widest()).filter(|_| self.widest() > 2)?;
        let first = self.rows.first()?;
        let name = first.get(column).filter(|_| options.has_header());
        Some(Cause::KeyRepeats {
            found,
            other: name.cloned().unwrap_or_else(|| (column + 1).to_string()),
            has_header: options.has_header(),
            are_short: self.width().is_none(),
        })
    }

    /// The columns that the rows have by another delimiter, if they have one.
    pub(crate) fn other_columns(&self, input: &Input, options: &ReadOptions) -> Option<Content> {
        let delimiter = self.other_delimiter(input, options)?;
        Some(columns_of(input, delimiter, options))
    }

    /// The delimiter that the rows have instead of the comma that they were read with, if they
    /// have one: with it they have more columns, as many in each row; or as many, where what a
    /// comma separates are the parts of a number.
    fn other_delimiter(&self, input: &Input, options: &ReadOptions) -> Option<u8> {
        let width = self.width();
        DELIMITERS.into_iter().filter(|&delimiter| delimiter != b',').find(|&delimiter| {
            let others = Self::of_csv(input, delimiter, options);
            match (others.width(), width) {
                (Some(other @ 2..), Some(width)) => other > width || other == width && self.splits_numbers(),
                (Some(2..), None) => true,
                _ => false,
            }
        })
    }

    /// Whether every second cell ends a number that the cell before begins, as in `a;1,5`.
    fn splits_numbers(&self) -> bool {
        let ends = |cell: &String| cell.ends_with(|c: char| c.is_ascii_digit());
        let begins = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit());
        self.rows.iter().all(|row| row.windows(2).all(|two| ends(&two[0]) && begins(&two[1])))
    }

    /// Whether the first row could be the names of the columns.
    pub(crate) fn begin_with_names(&self) -> bool {
        self.rows.first().is_some_and(|first| {
            first.iter().all(|cell| is_name(cell))
                && first.iter().enumerate().all(|(i, cell)| !first[..i].contains(cell))
        })
    }

    /// The cells of the first row where they look like the names of the columns: all of them usual
    /// ones, or one over a column of numbers.
    pub(crate) fn header(&self) -> Option<&[String]> {
        let (first, others) = self.rows.split_first()?;
        let is_over_numbers = |column: usize| {
            !others.is_empty() && others.iter().all(|row| row.get(column).is_some_and(|cell| is_number(cell)))
        };
        let is_header = first.len() > 1
            && self.begin_with_names()
            && (first.iter().all(|cell| is_usual(cell)) || (0..first.len()).any(is_over_numbers));
        is_header.then_some(first)
    }
}

/// Whether a cell could be the name of a column: a word or a few.
fn is_name(cell: &str) -> bool {
    let missing = ["na", "n/a", "nan", "null", "none", "nil", "true", "false", "yes", "no", "unknown"];
    cell.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '#')
        && cell.len() <= 64
        && !missing.contains(&cell.to_lowercase().as_str())
}

/// Names that columns usually have.
const USUAL: [&str; 24] = [
    "id",
    "key",
    "value",
    "name",
    "code",
    "label",
    "title",
    "text",
    "description",
    "type",
    "uuid",
    "guid",
    "url",
    "email",
    "date",
    "time",
    "timestamp",
    "count",
    "price",
    "status",
    "user",
    "country",
    "city",
    "version",
];

fn is_usual(cell: &str) -> bool {
    let cell = cell.to_lowercase();
    USUAL.contains(&cell.as_str())
        || cell.ends_with("_id")
        || cell.ends_with("_name")
        || cell.ends_with("_code")
}

fn is_number(cell: &str) -> bool {
    let text = cell.trim();
    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || "+-.,:/eE".contains(c))
}
