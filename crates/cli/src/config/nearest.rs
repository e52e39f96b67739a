//! The word that somebody may have meant who wrote another.

/// As similar as two words are at least that are taken for each other: what the flags of the command line go by, too.
const SIMILAR: f64 = 0.7;

/// The one of `known` that is most similar to `found`, if any is similar.
pub(crate) fn nearest<'k>(found: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // Longer texts are no mistyped words, and comparing takes time by the square of their length.
    if found.len() > 100 {
        return None;
    }
    let rated = known.map(|word| (strsim::jaro(found, word), word));
    let similar = rated.filter(|(similarity, _)| *similarity > SIMILAR);
    similar.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_is_found_and_another_is_not() {
        let known = ["max-connections", "max-output", "listen"];
        for (found, meant) in [
            ("max-connection", Some("max-connections")),
            ("max_connections", Some("max-connections")),
            ("lisen", Some("listen")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, known.into_iter()), meant, "{found}");
        }
        assert_eq!(nearest(&"max-output".repeat(1000), known.into_iter()), None);
    }
}
