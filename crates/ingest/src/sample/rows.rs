//! Sample tables with columns: features as jobs write them, that follow from a seed alone. As the lines of
//! [`SampleGenerator`], they are the same in every release and on every machine.

use super::{SampleGenerator, SampleValues};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// Cells between commas, below the names of the columns.
    Csv,
    /// An object a line.
    Jsonl,
}

/// No row is longer, nor is the header.
pub const ROW_BYTES_MAX: usize = 1024;

/// The names of the columns, the key's first.
const NAMES: [&str; 21] = [
    "user_id",
    "click_rate_7d",
    "pages_per_visit",
    "session_minutes_30d",
    "conversion_rate",
    "basket_size",
    "order_value_mean",
    "refund_rate",
    "review_score",
    "days_between_orders",
    "churn_risk",
    "devices",
    "logins_7d",
    "active_hour",
    "searches_7d",
    "discount_percent",
    "wishlist_items",
    "country",
    "segment",
    "display_name",
    "age_days",
];

/// Below these numbers the counts are.
const COUNTS: [usize; 6] = [5, 10, 24, 60, 100, 1000];

/// Different countries and segments.
const CATEGORIES: usize = 50;

const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

/// Writes one row after the other.
#[derive(Debug)]
pub struct RowGenerator {
    sample: SampleGenerator,
    form: RowForm,
}

impl RowGenerator {
    /// A generator whose rows follow from `seed`.
    pub fn new(seed: u64, form: RowForm) -> Self {
        Self { sample: SampleGenerator::new(seed, SampleValues::Letters), form }
    }

    /// Appends what stands before the first row.
    pub fn append_header(&self, text: &mut Vec<u8>) {
        if self.form == RowForm::Csv {
            text.extend_from_slice(NAMES.join(",").as_bytes());
            text.push(b'\n');
        }
    }

    /// Appends a row: a UUID; ten numbers below 1, 10 or 100 with up to six digits behind the point; six whole numbers;
    /// two of fifty words; one or two short words; a whole number, which three of ten rows do not have.
    pub fn append_row(&mut self, text: &mut Vec<u8>) {
        let mut key = Vec::new();
        self.sample.append_key(&mut key);
        self.begin(0, text);
        self.append_text(&key, text);
        let mut draw = self.sample.draw();
        for i in 0..10 {
            if i % 2 == 0 {
                draw = self.sample.draw();
            }
            let whole = draw.below(10_usize.pow(i as u32 % 3));
            let part = draw.below(1_000_000);
            self.begin(1 + i, text);
            let number = format!("{whole}.{part:06}");
            let number = number.trim_end_matches('0');
            text.extend_from_slice(number.as_bytes());
            if number.ends_with('.') {
                text.push(b'0');
            }
        }
        let mut draw = self.sample.draw();
        for (i, most) in COUNTS.into_iter().enumerate() {
            self.begin(11 + i, text);
            text.extend_from_slice(draw.below(most).to_string().as_bytes());
        }
        let mut draw = self.sample.draw();
        let (country, segment) = (draw.below(CATEGORIES), draw.below(CATEGORIES));
        self.begin(17, text);
        let letters = [LETTERS[country / 7].to_ascii_uppercase(), LETTERS[country % 26].to_ascii_uppercase()];
        self.append_text(&letters, text);
        self.begin(18, text);
        self.append_text(format!("segment-{segment:02}").as_bytes(), text);
        self.begin(19, text);
        let mut name = Vec::new();
        for word in 0..1 + draw.below(2) {
            let mut draw = self.sample.draw();
            if word > 0 {
                name.push(b' ');
            }
            for letter in 0..3 + draw.below(6) {
                let drawn = LETTERS[draw.below(LETTERS.len())];
                name.push(if letter == 0 { drawn.to_ascii_uppercase() } else { drawn });
            }
        }
        self.append_text(&name, text);
        let mut draw = self.sample.draw();
        let days = if draw.below(10) < 3 { None } else { Some(draw.below(5000)) };
        self.begin(20, text);
        match (days, self.form) {
            (Some(days), _) => text.extend_from_slice(days.to_string().as_bytes()),
            (None, RowForm::Csv) => {}
            (None, RowForm::Jsonl) => text.extend_from_slice(b"null"),
        }
        text.extend_from_slice(if self.form == RowForm::Jsonl { b"}\n" } else { b"\n" });
    }

    /// Appends what stands before the field of a column.
    fn begin(&self, column: usize, text: &mut Vec<u8>) {
        match self.form {
            RowForm::Csv if column == 0 => {}
            RowForm::Csv => text.push(b','),
            RowForm::Jsonl => {
                text.extend_from_slice(if column == 0 { b"{\"" } else { b",\"" });
                text.extend_from_slice(NAMES[column].as_bytes());
                text.extend_from_slice(b"\":");
            }
        }
    }

    /// Appends a text that has nothing to quote.
    fn append_text(&self, letters: &[u8], text: &mut Vec<u8>) {
        let quote: &[u8] = if self.form == RowForm::Jsonl { b"\"" } else { b"" };
        for piece in [quote, letters, quote] {
            text.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac_sha256::Hash;

    fn rows(form: RowForm) -> String {
        let mut generator = RowGenerator::new(0, form);
        let mut text = Vec::new();
        generator.append_header(&mut text);
        (0..10_000).for_each(|_| generator.append_row(&mut text));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_seed_gives_the_same_rows_forever() {
        let digest: String =
            Hash::hash(rows(RowForm::Csv).as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "0e454b618f0e8eb09472676af78917b2f553b142303684d0262b1c448f1bb8d4");
    }

    #[test]
    fn both_forms_have_the_same_fields() {
        let (csv, jsonl) = (rows(RowForm::Csv), rows(RowForm::Jsonl));
        for (row, object) in csv.lines().skip(1).zip(jsonl.lines()) {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(object).unwrap();
            let cells: Vec<&str> = row.split(',').collect();
            assert_eq!((cells.len(), object.len()), (NAMES.len(), NAMES.len()));
            assert!(row.len() < ROW_BYTES_MAX / 2);
            for (name, cell) in NAMES.iter().zip(cells) {
                let field = match &object[*name] {
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Null => String::new(),
                    number => number.to_string(),
                };
                assert_eq!(field, cell, "{name}");
            }
        }
    }
}
