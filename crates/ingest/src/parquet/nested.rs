//! The columns of a schema, and the JSON of those that have columns inside: lists, maps and structs,
//! put together from the levels of their leaves (Melnik et al., "Dremel", 2010, section 4.3).

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::schema::types::{Type as SchemaType, TypePtr};

use graven_format::{ColumnType, VALUE_BYTES_MAX};

use super::leaf::Leaf;
use super::scalar::ScalarKind;
use crate::parquet_problem::ParquetProblem;

/// A part of the schema, with the levels that say how much of it there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SchemaNode {
    pub(super) name: String,
    /// From this definition level on it is no null; 0 where it cannot be one.
    definition: i16,
    pub(super) shape: NodeShape,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NodeShape {
    /// A leaf: its number among those of the column, and what it holds.
    Scalar {
        leaf: usize,
        kind: ScalarKind,
    },
    Struct(Vec<SchemaNode>),
    /// Elements, each of which has at least this definition level, and all but the first this
    /// repetition level.
    List {
        definition: i16,
        repetition: i16,
        element: Box<SchemaNode>,
    },
    /// The same of keys and values.
    Map {
        definition: i16,
        repetition: i16,
        key: Box<SchemaNode>,
        value: Box<SchemaNode>,
    },
}

/// A column of the file.
#[derive(Clone, Debug)]
pub(super) struct FileColumn {
    pub(super) node: SchemaNode,
    /// Its leaves among all of the file.
    pub(super) leaves: Vec<usize>,
    pub(super) column_type: Option<ColumnType>,
    /// How the schema has it, without its nulls, for comparing.
    pub(super) described: String,
}

/// The columns of a schema, in order.
pub(super) fn columns_of(root: &SchemaType) -> Vec<FileColumn> {
    let mut next = 0;
    let columns = root.get_fields().iter().map(|field| {
        let first = next;
        let node = SchemaNode::of(field, 0, 0, &mut next, first);
        let column_type = match node.shape {
            NodeShape::Scalar { kind, .. } => kind.column_type(field.get_physical_type()),
            _ => Some(ColumnType::Json),
        };
        FileColumn { described: describe(field), node, leaves: (first..next).collect(), column_type }
    });
    columns.collect()
}

/// A type as people read it, the same for two that read the same.
fn describe(field: &SchemaType) -> String {
    let about = field.get_basic_info();
    let repeated = if is_repeated(field) { "repeated " } else { "" };
    if field.is_primitive() {
        let kind = ScalarKind::of(field);
        let physical = field.get_physical_type();
        let what = format!("{kind:?}");
        return format!("{repeated}{} ({})", physical.to_string().to_lowercase(), what.to_lowercase());
    }
    let inner: Vec<String> =
        field.get_fields().iter().map(|field| format!("{} {}", field.name(), describe(field))).collect();
    let kind = match (about.logical_type_ref(), about.converted_type()) {
        (Some(LogicalType::List), _) | (_, ConvertedType::LIST) => "list",
        (Some(LogicalType::Map), _) | (_, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => "map",
        _ => "struct",
    };
    format!("{repeated}{kind} of {}", inner.join(", "))
}

fn is_repeated(field: &SchemaType) -> bool {
    let about = field.get_basic_info();
    about.has_repetition() && about.repetition() == Repetition::REPEATED
}

impl SchemaNode {
    /// The node of a field that lies below these levels; `next` is the number of the next leaf, and
    /// `first` that of the column's first.
    fn of(field: &TypePtr, definition: i16, repetition: i16, next: &mut usize, first: usize) -> Self {
        if is_repeated(field) {
            // A list without a group around it.
            let (definition, repetition) = (definition + 1, repetition + 1);
            let element = Self::inside(field, definition, repetition, next, first);
            let shape = NodeShape::List { definition, repetition, element: Box::new(element) };
            return Self { name: field.name().to_owned(), definition: 0, shape };
        }
        let about = field.get_basic_info();
        let is_optional = about.has_repetition() && about.repetition() == Repetition::OPTIONAL;
        let inner = definition + i16::from(is_optional);
        let mut node = Self::inside(field, inner, repetition, next, first);
        node.definition = if is_optional { inner } else { 0 };
        node
    }

    /// The node of a field without its own nulls or repetitions.
    fn inside(field: &TypePtr, definition: i16, repetition: i16, next: &mut usize, first: usize) -> Self {
        let about = field.get_basic_info();
        let shape = if field.is_primitive() {
            *next += 1;
            NodeShape::Scalar { leaf: *next - 1 - first, kind: ScalarKind::of(field) }
        } else {
            let is_list = matches!(about.logical_type_ref(), Some(LogicalType::List))
                || about.converted_type() == ConvertedType::LIST;
            let is_map = matches!(about.logical_type_ref(), Some(LogicalType::Map))
                || matches!(about.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE);
            match field.get_fields() {
                [repeated] if is_list && is_repeated(repeated) => {
                    let (definition, repetition) = (definition + 1, repetition + 1);
                    let element = if is_element(repeated, field.name()) {
                        Self::inside(repeated, definition, repetition, next, first)
                    } else {
                        Self::of(&repeated.get_fields()[0], definition, repetition, next, first)
                    };
                    NodeShape::List { definition, repetition, element: Box::new(element) }
                }
                [repeated]
                    if is_map
                        && is_repeated(repeated)
                        && repeated.is_group()
                        && repeated.get_fields().len() == 2 =>
                {
                    let (definition, repetition) = (definition + 1, repetition + 1);
                    let [key, value] = [0, 1].map(|i: usize| {
                        Box::new(Self::of(&repeated.get_fields()[i], definition, repetition, next, first))
                    });
                    NodeShape::Map { definition, repetition, key, value }
                }
                fields => NodeShape::Struct(
                    fields.iter().map(|field| Self::of(field, definition, repetition, next, first)).collect(),
                ),
            }
        };
        Self { name: field.name().to_owned(), definition: 0, shape }
    }

    /// The number of its first leaf; a group without columns has none.
    fn first_leaf(&self) -> Option<usize> {
        match &self.shape {
            NodeShape::Scalar { leaf, .. } => Some(*leaf),
            NodeShape::Struct(fields) => fields.iter().find_map(Self::first_leaf),
            NodeShape::List { element, .. } => element.first_leaf(),
            NodeShape::Map { key, .. } => key.first_leaf(),
        }
    }

    fn peek(&self, leaves: &[Leaf]) -> Result<(i16, i16), ParquetProblem> {
        let ended = || ParquetProblem::Damaged("its levels end in the middle of a row".into());
        // A group without columns is there as often as what is around it.
        let Some(leaf) = self.first_leaf() else { return Ok((i16::MAX, 0)) };
        leaves[leaf].peek().ok_or_else(ended)
    }

    /// Takes the next entry of each of its leaves, where there is nothing of it.
    fn pass(&self, leaves: &mut [Leaf]) -> Result<(), ParquetProblem> {
        match &self.shape {
            NodeShape::Scalar { leaf, .. } => match leaves[*leaf].take()? {
                None => Ok(()),
                Some(_) => Err(ParquetProblem::Damaged("its levels contradict each other".into())),
            },
            NodeShape::Struct(fields) => fields.iter().try_for_each(|field| field.pass(leaves)),
            NodeShape::List { element, .. } => element.pass(leaves),
            NodeShape::Map { key, value, .. } => {
                key.pass(leaves)?;
                value.pass(leaves)
            }
        }
    }

    /// Whether what comes next of it is null; then it is taken.
    pub(super) fn take_null(&self, leaves: &mut [Leaf]) -> Result<bool, ParquetProblem> {
        let is_null = self.definition > 0 && self.peek(leaves)?.0 < self.definition;
        if is_null {
            self.pass(leaves)?;
        }
        Ok(is_null)
    }

    /// Appends what comes next of it as JSON.
    pub(super) fn write_json(&self, leaves: &mut [Leaf], out: &mut Vec<u8>) -> Result<(), ParquetProblem> {
        if out.len() > VALUE_BYTES_MAX {
            let (what, most) = ("the length of a value as JSON", VALUE_BYTES_MAX as u64);
            return Err(ParquetProblem::TooLarge { what, most, found: out.len() as u64 });
        }
        if self.take_null(leaves)? {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.shape {
            NodeShape::Scalar { leaf, kind } => {
                let Some(at) = leaves[*leaf].take()? else {
                    return Err(ParquetProblem::Damaged("its levels contradict each other".into()));
                };
                write_scalar(*kind, &leaves[*leaf], at, out)
            }
            NodeShape::Struct(fields) => {
                out.push(b'{');
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    push_string(&field.name, out);
                    out.push(b':');
                    field.write_json(leaves, out)?;
                }
                out.push(b'}');
                Ok(())
            }
            NodeShape::List { definition, repetition, element } => {
                out.push(b'[');
                element.each(
                    *definition,
                    *repetition,
                    leaves,
                    |leaves, i| {
                        if i > 0 {
                            out.push(b',');
                        }
                        element.write_json(leaves, out)
                    },
                    |leaves| element.pass(leaves),
                )?;
                out.push(b']');
                Ok(())
            }
            NodeShape::Map { definition, repetition, key, value } => {
                out.push(b'{');
                let mut text = Vec::new();
                key.each(
                    *definition,
                    *repetition,
                    leaves,
                    |leaves, i| {
                        if i > 0 {
                            out.push(b',');
                        }
                        text.clear();
                        key.write_json(leaves, &mut text)?;
                        // JSON has nothing but strings there.
                        match (&text[..], std::str::from_utf8(&text)) {
                            ([b'"', ..], _) | (_, Err(_)) => out.extend_from_slice(&text),
                            (_, Ok(text)) => push_string(text, out),
                        }
                        out.push(b':');
                        value.write_json(leaves, out)
                    },
                    |leaves| {
                        key.pass(leaves)?;
                        value.pass(leaves)
                    },
                )?;
                out.push(b'}');
                Ok(())
            }
        }
    }

    /// Calls `each` for every element of a list of which this is the first node, or `pass` where it
    /// has none.
    fn each(
        &self,
        definition: i16,
        repetition: i16,
        leaves: &mut [Leaf],
        mut each: impl FnMut(&mut [Leaf], usize) -> Result<(), ParquetProblem>,
        pass: impl FnOnce(&mut [Leaf]) -> Result<(), ParquetProblem>,
    ) -> Result<(), ParquetProblem> {
        let Some(first) = self.first_leaf() else {
            return Err(ParquetProblem::Unsupported("a list of groups without columns".into()));
        };
        if self.peek(leaves)?.0 < definition {
            return pass(leaves);
        }
        for i in 0.. {
            each(leaves, i)?;
            match leaves[first].peek() {
                Some((_, next)) if next == repetition => {}
                Some((_, next)) if next > repetition => {
                    return Err(ParquetProblem::Damaged("its levels contradict each other".into()));
                }
                _ => break,
            }
        }
        Ok(())
    }
}

/// Whether the repeated field of a list is the element, and no group around it: the rules for older
/// writers of the format's "LogicalTypes.md".
fn is_element(repeated: &SchemaType, list: &str) -> bool {
    repeated.is_primitive()
        || repeated.get_fields().len() != 1
        || is_repeated(&repeated.get_fields()[0])
        || repeated.name() == "array"
        || repeated.name().strip_suffix("_tuple") == Some(list)
}

fn write_scalar(kind: ScalarKind, leaf: &Leaf, at: usize, out: &mut Vec<u8>) -> Result<(), ParquetProblem> {
    let start = out.len();
    kind.write(&leaf.values, at, out)?;
    if kind.is_bare_in_json() {
        // JSON has no such numbers.
        if matches!(&out[start..], b"NaN" | b"inf" | b"-inf") {
            out.truncate(start);
            out.extend_from_slice(b"null");
        }
        return Ok(());
    }
    let text = out.split_off(start);
    if kind == ScalarKind::Bytes {
        push_string(&base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &text), out);
        return Ok(());
    }
    match std::str::from_utf8(&text) {
        Ok(text) => push_string(text, out),
        Err(error) => return Err(ParquetProblem::Damaged(format!("a text is not UTF-8: {error}"))),
    }
    Ok(())
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// A schema that is shared by the threads that read.
pub(super) type SharedColumns = Arc<[FileColumn]>;
