//! A table in Markdown.

/// Rows under a head; the first columns are text, the others are numbers.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    text_columns: usize,
}

impl Table {
    pub(crate) fn new(text_columns: usize, head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()], text_columns }
    }

    /// Adds a row, which has a cell for each of the head's.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.rows[0].len(), "a row has the cells of the head");
        self.rows.push(row);
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for (i, row) in self.rows.iter().enumerate() {
            text += &format!("| {} |\n", row.join(" | "));
            if i == 0 {
                let numbers = row.len() - self.text_columns;
                text += &format!("|{}{}\n", "---|".repeat(self.text_columns), "---:|".repeat(numbers));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn words_stand_on_the_left_and_numbers_on_the_right() {
        let mut table = Table::new(2, &["protocol", "server", "a second"]);
        table.push(vec!["resp".into(), "graven".into(), "1234".into()]);
        let expected = "| protocol | server | a second |\n|---|---|---:|\n| resp | graven | 1234 |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    #[should_panic = "a row has the cells of the head"]
    fn a_row_with_a_cell_too_few_is_refused() {
        Table::new(1, &["a", "b"]).push(vec!["1".into()]);
    }
}
