//! `cargo xtask words`: whether comments and documents are written in plain words.
//!
//! Clauses in place of nouns (`what waits`, `whoever said it`) make many readers stop and read again, above all those
//! with another first language. This command therefore counts the words that begin such clauses.

use std::process::Command;
use std::{env, fs};

/// Maximum number of `what` in 1,000 words. It is above zero, because questions and quotations need the word.
const WHAT_PER_THOUSAND_MAX: f64 = 3.0;

/// Further words that begin a clause in place of a noun. None of them may occur.
const CLAUSE_WORDS: [&str; 3] = ["whoever", "whomever", "whom"];

/// Prints the count of each area. If the total is too high, also prints every line with a counted word, and fails.
pub(crate) fn run() -> Result<(), String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    let mut total = Count::default();
    let mut areas: Vec<(String, Count)> = Vec::new();
    for file in files()? {
        let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        let count = Count::in_text(&file, &text);
        total.add(&count);
        let area = area(&file);
        match areas.last_mut() {
            Some((last, sum)) if last == area => sum.add(&count),
            _ => areas.push((area.to_owned(), count)),
        }
    }
    for (area, count) in &areas {
        println!("{:6.1}  {area}", count.what_per_thousand());
    }
    let (what, clauses) = (total.what_per_thousand(), total.clause_words);
    println!("\"what\": {what:.1} in 1,000 of {} words; {}: {clauses}", total.words, CLAUSE_WORDS.join(", "));
    if what <= WHAT_PER_THOUSAND_MAX && clauses == 0 {
        return Ok(());
    }
    for place in &total.places {
        println!("{place}");
    }
    Err(format!(
        "rewrite these lines with a noun in place of the clause: at most {WHAT_PER_THOUSAND_MAX} \"what\" in 1,000 \
         words are allowed, and none of the other words"
    ))
}

/// The files in which people read sentences, sorted by path.
fn files() -> Result<Vec<String>, String> {
    let kinds = ["*.rs", "*.md", "*.typ", "*.toml"];
    let output = Command::new("git").args(["ls-files", "--"]).args(kinds).output();
    let output = output.map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let mut files: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    files.sort();
    Ok(files)
}

/// The crate or top folder of a file: `crates/encap` for `crates/encap/src/build/tcp.rs`.
fn area(file: &str) -> &str {
    let depth = if file.starts_with("crates/") { 2 } else { 1 };
    file.match_indices('/').nth(depth - 1).map_or("the top folder", |(end, _)| &file[..end])
}

/// The counted words of one or more files.
#[derive(Debug, Default)]
struct Count {
    /// Number of all words.
    words: usize,
    /// Number of `what`.
    what: usize,
    /// Number of [`CLAUSE_WORDS`].
    clause_words: usize,
    /// `file:line: text` of each line with a counted word.
    places: Vec<String>,
}

impl Count {
    fn in_text(file: &str, text: &str) -> Self {
        let mut count = Self::default();
        let mut is_code_block = false;
        for (number, line) in (1..).zip(text.lines()) {
            let prose = match file.rsplit_once('.') {
                Some((_, "rs")) => rust_comment(line),
                Some((_, "toml")) => line.trim_start().strip_prefix('#'),
                _ => {
                    is_code_block ^= line.trim_start().starts_with("```");
                    (!is_code_block).then_some(line)
                }
            };
            let Some(prose) = prose else { continue };
            let before = count.what + count.clause_words;
            for word in words(prose) {
                count.words += 1;
                count.what += usize::from(word == "what");
                count.clause_words += usize::from(CLAUSE_WORDS.contains(&word.as_str()));
            }
            if count.what + count.clause_words > before {
                count.places.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
        count
    }

    fn add(&mut self, other: &Self) {
        self.words += other.words;
        self.what += other.what;
        self.clause_words += other.clause_words;
        self.places.extend_from_slice(&other.places);
    }

    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2⁵² words")]
    fn what_per_thousand(&self) -> f64 {
        1_000.0 * self.what as f64 / self.words.max(1) as f64
    }
}

/// The text of the comment in a line, which may follow code. `None` if the line has no comment.
fn rust_comment(line: &str) -> Option<&str> {
    // The slashes of a comment follow a space, unlike those of `https://`.
    let is_comment = |start: usize| start == 0 || line[..start].ends_with(char::is_whitespace);
    let (start, _) = line.match_indices("//").find(|(start, _)| is_comment(*start))?;
    Some(line[start..].trim_start_matches(['/', '!']))
}

/// The words of a sentence in lower case, without code in backticks.
fn words(prose: &str) -> impl Iterator<Item = String> {
    let outside_code = prose.split('`').step_by(2);
    let words = outside_code.flat_map(|part| part.split(|c: char| !c.is_alphabetic() && c != '\'' && c != '’'));
    words.filter(|word| word.chars().any(char::is_alphabetic)).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_prose_are_counted_without_code() {
        // Written with `@` for `//`, so that this file passes its own check.
        let rust =
            "let what = 1; @ What is `what`?\nlet url = \"http:@what\";\n@/ Whoever reads this.\n".replace('@', "//");
        let count = Count::in_text("a.rs", &rust);
        assert_eq!((count.words, count.what, count.clause_words), (5, 1, 1));
        let places = ["a.rs:1: let what = 1; @ What is `what`?", "a.rs:3: @/ Whoever reads this."];
        assert_eq!(count.places, places.map(|place| place.replace('@', "//")));

        let markdown = "One what.\n```sh\nwhat\n```\nTwo.\n";
        let count = Count::in_text("a.md", markdown);
        assert_eq!((count.words, count.what), (3, 1));
    }

    #[test]
    fn areas_are_crates_and_top_folders() {
        let areas = ["crates/encap/src/lib.rs", "docs/bench.md", "README.md"].map(area);
        assert_eq!(areas, ["crates/encap", "docs", "the top folder"]);
    }
}
