//! One JSON document: an object whose members are pairs, or an array of objects. It is read as a
//! stream; of a document of any size one member or element is held at a time.

use std::io::Read;

use memchr::{memchr_iter, memchr3};

use super::{TEXT_BYTES_MAX, Texts};
use crate::error::{Cause, Fault, Position, Role};
use crate::placed_bytes::PlacedBytes;

/// Bytes that are read from the source at a time.
const READ_BYTES: usize = 64 * 1024;

/// How deep arrays and objects may lie in each other: what most readers of JSON take. Passed: an
/// error.
const DEPTH_MAX: u32 = 128;

/// The longest name of a member.
const NAME_BYTES_MAX: usize = 6 * graven_format::KEY_BYTES_MAX + 2;

/// What the texts are the parts of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

/// The members or elements of a document.
pub(crate) struct DocumentTexts<R> {
    stream: JsonStream<R>,
    container: Container,
    /// The names of the members that were gone down into.
    at: Vec<String>,
    name: Vec<u8>,
    text: Vec<u8>,
    /// Where the text begins.
    start: (u64, u64),
    state: DocumentState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DocumentState {
    BeforeFirst,
    Behind,
    Ended,
}

impl<R: Read> DocumentTexts<R> {
    /// Goes down to what `at` names.
    pub(crate) fn new(source: R, at: &[String]) -> Result<Self, Fault> {
        let mut stream = JsonStream::new(source);
        stream.bytes.pass_over_the_mark()?;
        let mut name = Vec::new();
        for wanted in at {
            stream.enter_object()?;
            let mut names = Vec::new();
            let mut is_first = true;
            loop {
                if !stream.next_part(b'}', std::mem::take(&mut is_first))? {
                    let cause = Cause::NoField {
                        role: Role::Column,
                        wanted: wanted.as_str().into(),
                        fields: names,
                        likely: None,
                    };
                    return Err(stream.fault(cause));
                }
                let found = stream.name(&mut name)?;
                if found == *wanted {
                    break;
                }
                if names.len() < super::IGNORED_MAX {
                    names.push(found);
                }
                stream.value(None)?;
            }
        }
        let container = match stream.peek()? {
            Some(b'{') => Container::Object,
            Some(b'[') => Container::Array,
            found => return Err(stream.unexpected("an object or an array", found)),
        };
        stream.bytes.take(1);
        let at = at.to_vec();
        let (text, start) = (Vec::new(), (1, 1));
        Ok(Self { stream, container, at, name, text, start, state: DocumentState::BeforeFirst })
    }

    /// Whether the texts are members, which have names.
    pub(crate) fn are_members(&self) -> bool {
        self.container == Container::Object
    }

    /// Reads what is behind the members or elements: nothing else than the rest of the objects that
    /// they are in.
    fn finish(&mut self) -> Result<(), Fault> {
        while let Some(wanted) = self.at.pop() {
            while self.stream.next_part(b'}', false)? {
                self.stream.peek()?;
                let start = self.stream.position();
                if self.stream.name(&mut self.name)? == wanted {
                    return Err(Fault::new(start, Cause::RepeatedField { wanted }));
                }
                self.stream.value(None)?;
            }
        }
        match self.stream.peek()? {
            None => Ok(()),
            found => Err(self.stream.unexpected("the end of the document", found)),
        }
    }
}

impl<R: Read + Send> Texts for DocumentTexts<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        if self.state == DocumentState::Ended {
            return Ok(false);
        }
        let end = if self.are_members() { b'}' } else { b']' };
        let is_first = self.state == DocumentState::BeforeFirst;
        self.state = DocumentState::Ended;
        if !self.stream.next_part(end, is_first)? {
            self.finish()?;
            return Ok(false);
        }
        if self.are_members() {
            self.stream.name(&mut self.name)?;
        }
        self.stream.peek()?;
        self.start = self.stream.bytes.line_and_column();
        self.text.clear();
        self.stream.value(Some(&mut self.text))?;
        self.state = DocumentState::Behind;
        Ok(true)
    }

    fn text(&self) -> &[u8] {
        &self.text
    }

    fn name(&self) -> Option<&[u8]> {
        self.are_members().then_some(&self.name)
    }

    fn position(&self) -> Position {
        Position::column(self.start.0, self.start.1)
    }

    fn position_of(&self, offset: usize) -> Position {
        let before = &self.text[..offset.min(self.text.len())];
        let lines = memchr_iter(b'\n', before).count() as u64;
        let column = match memchr::memrchr(b'\n', before) {
            Some(end) => (before.len() - end) as u64,
            None => self.start.1 + before.len() as u64,
        };
        Position::column(self.start.0 + lines, column)
    }
}

/// A member of an object, as far as it is seen at the beginning of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FirstMember {
    pub(crate) name: String,
    /// The byte that its value begins with.
    pub(crate) first: u8,
    /// The same for the first element, where it is an array that has one.
    pub(crate) element: Option<u8>,
    /// The name of the first field of that element, where it has one.
    pub(crate) field: Option<String>,
}

/// The most members that are looked at.
const FIRST_MEMBERS_MAX: usize = 1000;

/// The members that an object begins with, of which `head` is the beginning.
pub(crate) fn first_members(head: &[u8]) -> Vec<FirstMember> {
    let mut members = Vec::new();
    // Where the head ends, or is no JSON, it is as much as is seen.
    let _ = find_members(head, &mut members);
    members
}

fn find_members(head: &[u8], members: &mut Vec<FirstMember>) -> Result<(), Fault> {
    let mut stream = JsonStream::new(head);
    let (mut name, mut text) = (Vec::new(), Vec::new());
    stream.enter_object()?;
    while members.len() < FIRST_MEMBERS_MAX && stream.next_part(b'}', members.is_empty())? {
        let name = stream.name(&mut name)?;
        let Some(first) = stream.peek()? else { break };
        text.clear();
        let value = stream.value(Some(&mut text));
        let mut member = FirstMember { name, first, element: None, field: None };
        let _ = find_element(&text, &mut member);
        members.push(member);
        value?;
    }
    Ok(())
}

fn find_element(value: &[u8], member: &mut FirstMember) -> Result<(), Fault> {
    let Some(elements) = value.strip_prefix(b"[") else { return Ok(()) };
    let mut stream = JsonStream::new(elements);
    member.element = stream.peek()?.filter(|&byte| byte != b']');
    stream.enter_object()?;
    if stream.next_part(b'}', true)? {
        member.field = Some(stream.name(&mut Vec::new())?);
    }
    Ok(())
}

/// Finds the parts of a JSON text, and knows where it is.
struct JsonStream<R> {
    bytes: PlacedBytes<R>,
    /// Arrays and objects that are open around what comes next.
    depth: u32,
}

impl<R: Read> JsonStream<R> {
    fn new(source: R) -> Self {
        Self { bytes: PlacedBytes::new(source, READ_BYTES), depth: 0 }
    }

    /// The place of the next byte.
    fn position(&self) -> Position {
        self.bytes.position()
    }

    fn fault(&self, cause: Cause) -> Fault {
        Fault::new(self.position(), cause)
    }

    fn unexpected(&self, expected: &'static str, found: Option<u8>) -> Fault {
        self.fault(Cause::UnexpectedJson { expected, found })
    }

    /// The next byte that is no blank, which is not taken.
    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let next = self.bytes.look(1)?;
            match next.first() {
                None => return Ok(None),
                Some(b' ' | b'\t' | b'\r') => {
                    self.bytes.take(1);
                }
                Some(b'\n') => {
                    self.bytes.take(1);
                    self.bytes.begin_line();
                }
                Some(&byte) => return Ok(Some(byte)),
            }
        }
    }

    fn enter_object(&mut self) -> Result<(), Fault> {
        match self.peek()? {
            Some(b'{') => {
                self.bytes.take(1);
                self.depth += 1;
                Ok(())
            }
            found => Err(self.unexpected("an object to go down into", found)),
        }
    }

    /// Goes to the next member or element; `false` where `end` comes instead, which is taken.
    fn next_part(&mut self, end: u8, is_first: bool) -> Result<bool, Fault> {
        let expected = match (end, is_first) {
            (b'}', true) => "a string or `}`",
            (b'}', false) => "`,` or `}`",
            (_, true) => "a value or `]`",
            (_, false) => "`,` or `]`",
        };
        match self.peek()? {
            Some(byte) if byte == end => {
                self.bytes.take(1);
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.bytes.take(1);
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            found => Err(self.unexpected(expected, found)),
        }
    }

    /// Takes the name of a member and the colon behind it. What the name stands for; `name` has it as
    /// it is written.
    fn name(&mut self, name: &mut Vec<u8>) -> Result<String, Fault> {
        name.clear();
        let found = self.peek()?;
        if found != Some(b'"') {
            return Err(self.unexpected("the name of a member, a string", found));
        }
        let start = self.position();
        self.string(start, &mut Some(name), NAME_BYTES_MAX)?;
        let decoded = serde_json::from_slice::<String>(name)
            .map_err(|error| Fault::new(start, Cause::Json(super::said(&error))))?;
        match self.peek()? {
            Some(b':') => {
                self.bytes.take(1);
            }
            found => return Err(self.unexpected("`:`", found)),
        }
        Ok(decoded)
    }

    /// Takes a value. Its bytes are appended to `text`; what they are made of is for who reads them.
    fn value(&mut self, mut text: Option<&mut Vec<u8>>) -> Result<(), Fault> {
        let start = match self.peek()? {
            None | Some(b',' | b':' | b'}' | b']') => {
                let found = self.peek()?;
                return Err(self.unexpected("a value", found));
            }
            Some(_) => self.position(),
        };
        // Whether each array or object that is open in the value is an object, the innermost in the
        // lowest bit.
        let (mut open, mut depth) = (0_u128, 0_u32);
        loop {
            let next = self.bytes.look(1)?;
            let Some(&byte) = next.first() else {
                return Err(Fault::new(start, Cause::OpenJson));
            };
            match byte {
                b'"' => {
                    let start = self.position();
                    self.string(start, &mut text, TEXT_BYTES_MAX)?;
                }
                b'{' | b'[' => {
                    if self.depth + depth >= DEPTH_MAX {
                        return Err(self.fault(Cause::TooDeep { most: DEPTH_MAX }));
                    }
                    open = open << 1 | u128::from(byte == b'{');
                    depth += 1;
                    self.keep(1, &mut text, start)?;
                }
                b'}' | b']' => {
                    let is_object = open & 1 == 1;
                    if depth == 0 || is_object != (byte == b'}') {
                        let expected = if is_object { "`}`" } else { "`]`" };
                        return Err(self.unexpected(expected, Some(byte)));
                    }
                    open >>= 1;
                    depth -= 1;
                    self.keep(1, &mut text, start)?;
                }
                b'\n' => {
                    self.keep(1, &mut text, start)?;
                    self.bytes.begin_line();
                }
                _ => {
                    let is_end = |byte: &u8| {
                        matches!(byte, b'"' | b'{' | b'[' | b'}' | b']' | b'\n')
                            || depth == 0 && matches!(byte, b',' | b' ' | b'\t' | b'\r')
                    };
                    let len = next.iter().position(is_end).unwrap_or(next.len());
                    self.keep(len, &mut text, start)?;
                }
            }
            if depth == 0 && self.is_at_the_end_of_a_value(byte)? {
                return Ok(());
            }
        }
    }

    /// Whether a value that is no part of another ends here; `last` is what the last piece of it began
    /// with.
    fn is_at_the_end_of_a_value(&mut self, last: u8) -> Result<bool, Fault> {
        if matches!(last, b'"' | b'}' | b']') {
            return Ok(true);
        }
        // A number or a word may go on in what is read next.
        Ok(match self.bytes.look(1)?.first() {
            None => true,
            Some(byte) => {
                matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n' | b'}' | b']' | b'"' | b'{' | b'[')
            }
        })
    }

    /// Takes a string, which opens at `start`.
    fn string(&mut self, start: Position, text: &mut Option<&mut Vec<u8>>, most: usize) -> Result<(), Fault> {
        let before = text.as_ref().map_or(0, |text| text.len());
        self.keep(1, text, start)?;
        loop {
            let next = self.bytes.look(1)?;
            if next.is_empty() {
                return Err(Fault::new(start, Cause::OpenJson));
            }
            if text.as_ref().is_some_and(|text| text.len() - before > most) {
                return Err(Fault::new(start, Cause::JsonTooLong { most }));
            }
            let Some(at) = memchr3(b'"', b'\\', b'\n', next) else {
                let len = next.len();
                self.keep(len, text, start)?;
                continue;
            };
            let (is_end, is_line_end) = (next[at] == b'"', next[at] == b'\n');
            if is_line_end {
                self.keep(at, text, start)?;
                return Err(self.unexpected("the end of a string before that of the line", Some(b'\n')));
            }
            self.keep(at + 1, text, start)?;
            if is_end {
                break;
            }
            // What is escaped: a quote ends nothing.
            if self.bytes.look(1)?.is_empty() {
                return Err(Fault::new(start, Cause::OpenJson));
            }
            self.keep(1, text, start)?;
        }
        Ok(())
    }

    /// Takes bytes of a value that begins at `start`.
    fn keep(&mut self, bytes: usize, text: &mut Option<&mut Vec<u8>>, start: Position) -> Result<(), Fault> {
        let taken = self.bytes.take(bytes);
        if let Some(text) = text {
            if text.len() + bytes > TEXT_BYTES_MAX {
                return Err(Fault::new(start, Cause::JsonTooLong { most: TEXT_BYTES_MAX }));
            }
            text.extend_from_slice(taken);
        }
        Ok(())
    }
}
