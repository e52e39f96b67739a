//! A table of text: aligned for a terminal, or Markdown.

/// Rows under a head; the first column is text, the others are numbers.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Adds a row, which has a cell for each of the head's.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.rows[0].len(), "a row has the cells of the head");
        self.rows.push(row);
    }

    pub(crate) fn print(&self, markdown: bool) -> String {
        if markdown { self.markdown() } else { self.aligned() }
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        for (i, row) in self.rows.iter().enumerate() {
            text += &format!("| {} |\n", row.join(" | "));
            if i == 0 {
                text += &format!("|---|{}\n", "---:|".repeat(row.len() - 1));
            }
        }
        text
    }

    fn aligned(&self) -> String {
        let width =
            |column: usize| self.rows.iter().map(|row: &Vec<String>| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cell = |(i, cell): (usize, &String)| match i {
                0 => format!("{cell:<0$}", widths[i]),
                _ => format!("{cell:>0$}", widths[i]),
            };
            text += &row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
            text += "\n";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn table() -> Table {
        let mut table = Table::new(&["name", "ns"]);
        table.push(vec!["a".into(), "1234".into()]);
        table
    }

    #[test]
    fn markdown_has_a_rule_under_the_head() {
        assert_eq!(table().print(true), "| name | ns |\n|---|---:|\n| a | 1234 |\n");
    }

    #[test]
    fn numbers_are_aligned_to_the_right() {
        assert_eq!(table().print(false), "name    ns\na     1234\n");
    }
}
