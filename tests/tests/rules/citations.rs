//! Every citation of a specification resolves, and every link within the documents.
//!
//! What a citation looks like is said in `docs/spec/README.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Tree, literal_len, string_len};

/// Where the specifications are.
const SPECS: &str = "docs/spec/";

/// The one with tables whose rows are cited by name.
const BEHAVIOUR: &str = "behaviour.md";

/// The numbered sections of one specification, each with the numbers of its items.
type Sections = BTreeMap<String, BTreeSet<String>>;

/// What can be cited.
#[derive(Default)]
struct Specs {
    /// For each file, its sections.
    files: BTreeMap<String, Sections>,
    /// Rows of tables: `W-1`, `P-1`, `E1`.
    rows: BTreeSet<String>,
}

impl Specs {
    fn of(docs: &BTreeMap<String, String>) -> Self {
        let mut specs = Self::default();
        for (path, text) in docs {
            let Some(name) = path.strip_prefix(SPECS) else {
                continue;
            };
            specs.files.insert(name.to_owned(), sections(text));
            if name == BEHAVIOUR {
                let cells = text.lines().filter_map(|line| line.strip_prefix("| "));
                let first = cells.filter_map(|cells| cells.split(' ').next());
                specs
                    .rows
                    .extend(first.filter(|cell| is_row(cell)).map(str::to_owned));
            }
        }
        specs
    }

    /// Whether one of `names` has the section.
    fn has_section(&self, names: &BTreeSet<String>, section: &str) -> bool {
        let mut files = names.iter().filter_map(|name| self.files.get(name));
        files.any(|sections| sections.contains_key(section))
    }

    fn has_item(&self, names: &BTreeSet<String>, section: &str, item: &str) -> bool {
        let mut files = names.iter().filter_map(|name| self.files.get(name));
        files.any(|sections| {
            sections
                .get(section)
                .is_some_and(|items| items.contains(item))
        })
    }
}

fn sections(text: &str) -> Sections {
    let mut found = Sections::new();
    let mut current = None;
    for line in text.lines() {
        let heading = line.trim_start_matches('#');
        let number = heading.split_whitespace().next().unwrap_or_default();
        if heading.len() < line.len() {
            let number = number.trim_end_matches('.');
            if is_section(number) {
                current = Some(number.to_owned());
                found.entry(number.to_owned()).or_default();
            }
        } else if let (Some(section), Some(item)) = (&current, number.strip_suffix('.'))
            && is_number(item)
            && let Some(items) = found.get_mut(section)
        {
            items.insert(item.to_owned());
        }
    }
    found
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `4` or `4.3`, but not the four numbers of an address.
fn is_section(word: &str) -> bool {
    word.split('.').all(is_number) && word.split('.').count() <= 3
}

/// `W-12`, `P-3` or `E7`.
fn is_row(word: &str) -> bool {
    let number = ["W-", "P-", "E"]
        .iter()
        .find_map(|letter| word.strip_prefix(letter));
    number.is_some_and(|number| is_number(number) && number.len() <= 2)
}

/// Words and single signs of a text. A full stop is part of a word only within it.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    let is_part = |c: char| c.is_alphanumeric() || "./-_".contains(c);
    while let Some(sign) = rest.chars().next() {
        let word = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest[..word].trim_end_matches('.').len();
        let len = word.max(sign.len_utf8());
        if !sign.is_whitespace() {
            found.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    found
}

/// The comments of a source, those of consecutive lines as one.
fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    let mut continues = false;
    while let Some(character) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            let said = rest[..end].trim_start_matches(['/', '!']);
            match found.last_mut().filter(|_| continues) {
                Some(last) => *last = format!("{last} {said}"),
                None => found.push(said.to_owned()),
            }
            continues = true;
            end
        } else if character == '"' {
            continues = false;
            string_len(rest)
        } else {
            continues &= character.is_whitespace();
            literal_len(rest).unwrap_or(character.len_utf8())
        };
        rest = &rest[len..];
    }
    found
}

/// Specifications that the first comment of a source names.
fn named_at_the_head(text: &str) -> BTreeSet<String> {
    let head: Vec<&str> = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect();
    let head = head.join(" ");
    let names = tokens(&head).into_iter().filter_map(cited_file);
    names.map(str::to_owned).collect()
}

/// The name behind `spec/` or `docs/spec/`.
fn cited_file(word: &str) -> Option<&str> {
    word.strip_prefix(SPECS)
        .or_else(|| word.strip_prefix("spec/"))
}

/// A source and the modules around it, the innermost first.
fn around(path: &str) -> Vec<String> {
    let mut found = vec![path.to_owned()];
    let mut inner = path;
    while let Some((directory, _)) = inner.rsplit_once('/') {
        let files = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"];
        found.extend(files.map(|file| format!("{directory}{file}")));
        inner = directory;
    }
    found
}

/// One text that cites, and what is wrong with it.
struct Check<'a> {
    specs: &'a Specs,
    path: &'a str,
    tokens: &'a [&'a str],
    found: Vec<String>,
}

impl Check<'_> {
    /// Look at every citation. `nearby` are the specifications that a section number alone is one of.
    fn all(&mut self, nearby: &BTreeSet<String>) {
        let mut at = 0;
        while let Some(word) = self.tokens.get(at).copied() {
            let begins = at == 0 || self.tokens[at - 1] == "(";
            let names_item = matches!(self.tokens.get(at + 2), Some(&("item" | "items")));
            let alone = is_section(word) && begins && (word.contains('.') || names_item);
            at = if let Some(name) = cited_file(word).or_else(|| self.sibling(word)) {
                self.file(name, at + 1)
            } else if is_row(word) {
                self.list(&BTreeSet::from([BEHAVIOUR.to_owned()]), at)
            } else if alone && nearby.is_empty() {
                self.report(&format!("{word} of no specification"));
                at + 1
            } else if alone {
                self.list(nearby, at)
            } else {
                at + 1
            };
        }
    }

    /// Specifications cite each other by the file's name.
    fn sibling<'w>(&self, word: &'w str) -> Option<&'w str> {
        let is_one = self.path.starts_with(SPECS) && self.specs.files.contains_key(word);
        is_one.then_some(word)
    }

    fn file(&mut self, name: &str, at: usize) -> usize {
        if !self.specs.files.contains_key(name) {
            self.report(&format!("spec/{name}"));
            return at;
        }
        let mut at = self.after(at, &["`"]);
        at = self.after(at, &[","]);
        at = self.after(at, &["section", "sections"]);
        self.list(&BTreeSet::from([name.to_owned()]), at)
    }

    /// Sections and rows, with what stands between them; returns where the list ends.
    fn list(&mut self, names: &BTreeSet<String>, mut at: usize) -> usize {
        let mut next = at;
        while let Some(word) = self.tokens.get(next).copied() {
            at = next + 1;
            if is_row(word) {
                if !self.specs.rows.contains(word) {
                    self.report(word);
                }
            } else if is_section(word) {
                let named: Vec<&str> = names.iter().map(String::as_str).collect();
                let named = named.join(" or ");
                if !self.specs.has_section(names, word) {
                    self.report(&format!("spec/{named} {word}"));
                }
                at = self.items(names, word, at);
            } else {
                return next;
            }
            next = self.after(at, &[","]);
            next = self.after(next, &["and", "to"]);
            if next == at {
                return at;
            }
        }
        at
    }

    /// `, items 1 and 2` behind a section.
    fn items(&mut self, names: &BTreeSet<String>, section: &str, at: usize) -> usize {
        let begin = self.after(at, &[","]);
        let mut next = self.after(begin, &["item", "items"]);
        if next == begin {
            return at;
        }
        let mut end = next;
        while let Some(item) = self
            .tokens
            .get(next)
            .copied()
            .filter(|word| is_number(word))
        {
            if !self.specs.has_item(names, section, item) {
                self.report(&format!("item {item} of section {section}"));
            }
            end = next + 1;
            next = self.after(end, &[",", "and", "to"]);
            if next == end {
                break;
            }
        }
        end
    }

    /// Step over one of `words`, if it is there.
    fn after(&self, at: usize, words: &[&str]) -> usize {
        let is_there = self.tokens.get(at).is_some_and(|word| words.contains(word));
        at + usize::from(is_there)
    }

    fn report(&mut self, what: &str) {
        self.found
            .push(format!("{} cites {what}, which is not there", self.path));
    }
}

impl Tree {
    pub(super) fn citations_resolve(&self) -> Vec<String> {
        let specs = Specs::of(&self.docs);
        let check = |path: &str, text: &str, nearby: &BTreeSet<String>| {
            let mut check = Check {
                specs: &specs,
                path,
                tokens: &tokens(text),
                found: Vec::new(),
            };
            check.all(nearby);
            check.found
        };
        let mut found = Vec::new();
        for (path, text) in &self.docs {
            // Of a document, section numbers alone mean its own sections, of which only those of
            // specifications are numbered.
            match path.strip_prefix(SPECS) {
                Some(name) => {
                    let nearby = BTreeSet::from([name.to_owned()]);
                    let checked = prose(text).into_iter().flat_map(|line| {
                        let line = line.trim_start_matches(|c: char| !c.is_alphabetic());
                        check(path, line, &nearby)
                    });
                    found.extend(checked);
                }
                None => found.extend(check(path, text, &BTreeSet::new())),
            }
        }
        for (path, text) in &self.sources {
            let nearby = self.named_around(path);
            for comment in comments(text) {
                found.extend(check(path, &comment, &nearby));
            }
        }
        found
    }

    /// Specifications that the nearest first comment names.
    fn named_around(&self, path: &str) -> BTreeSet<String> {
        let sources = around(path)
            .into_iter()
            .filter_map(|path| self.sources.get(&path));
        sources
            .map(|text| named_at_the_head(text))
            .find(|names| !names.is_empty())
            .unwrap_or_default()
    }

    /// Links to files, and to headings of documents.
    pub(super) fn links_resolve(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.docs {
            for target in prose(text).into_iter().flat_map(links) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let (file, heading) = target.split_once('#').unwrap_or((target, ""));
                let file = match file {
                    "" => path.clone(),
                    file => joined(path, file),
                };
                let has_heading = heading.is_empty()
                    || self
                        .docs
                        .get(&file)
                        .is_some_and(|text| headings(text).contains(heading));
                if !self.is_there(&file) || !has_heading {
                    found.push(format!("{path} links to {target}, which is not there"));
                }
            }
        }
        found
    }

    fn is_there(&self, path: &str) -> bool {
        let directory = format!("{}/", path.trim_end_matches('/'));
        self.files.contains(path) || self.files.iter().any(|file| file.starts_with(&directory))
    }
}

/// The lines of a document outside blocks of code.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect()
}

/// Where the links of a line lead.
fn links(line: &str) -> Vec<&str> {
    let behind = line.split("](").skip(1);
    behind.filter_map(|rest| rest.split(')').next()).collect()
}

/// `link` as the document at `path` means it.
fn joined(path: &str, link: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What links call the headings of a document.
fn headings(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// A good tree with two small specifications in it.
fn good() -> Tree {
    let mut tree = super::good();
    let behaviour = "# Behaviour\n\n## 9. Tables\n\n### 9.5 Records\n\nSee §9 and `iccp.md` 4.3.\n\n## 16. Weaknesses\n\n\
                     | W-12 | x |\n| P-3 | x |\n| E7 | x |\n";
    let iccp = "# ICCP\n\n## 4. TLVs\n\n### 4.3 State\n\n## 10. Quirks\n\n1. One (4.3).\n2. Two.\n";
    for (name, text) in [("behaviour.md", behaviour), ("iccp.md", iccp)] {
        let path = format!("{SPECS}{name}");
        tree.docs.insert(path.clone(), text.into());
        tree.files.insert(path);
    }
    tree
}

/// Put a source or a document into the tree and return what the checker says.
fn violations_with(path: &str, text: &str) -> Vec<String> {
    let mut tree = good();
    let texts = if path.ends_with(".rs") {
        &mut tree.sources
    } else {
        &mut tree.docs
    };
    texts.insert(path.into(), text.into());
    tree.files.insert(path.into());
    tree.violations()
}

#[test]
fn citations_that_resolve_are_no_violations() {
    assert_eq!(good().violations(), Vec::<String>::new());
    for text in [
        "/// So it is (`spec/iccp.md` 4.3, 10, item 2; `spec/behaviour.md` 9.5, W-12).\n",
        "/// `spec/iccp.md` 4, 4.3 and 10, items 1 and 2: 113 of them.\n",
        "/// A long sentence that has to go on in the next line (`spec/iccp.md`\n/// 4.3).\n",
        "//! As `spec/iccp.md` has it.\n\n/// 4.3, first row.\nfn f() {} // and (4.3)\n",
        "/// P-3, E7, 9.5: bare.\n",
        "/// Linux 4.19, RFC 4861, section\n/// 7.1.2, and 10.0.10.12 (Debian 12).\n",
        "let text = \"// W-99 (`spec/nothing.md` 1)\";\n",
    ] {
        assert_eq!(
            violations_with("proto/src/x.rs", text),
            Vec::<String>::new(),
            "{text}"
        );
    }
    let document = "See `spec/behaviour.md` 16,\nW-12, and [the rules](spec/iccp.md#43-state).\n";
    assert_eq!(violations_with("docs/x.md", document), Vec::<String>::new());
}

#[test]
fn a_citation_that_does_not_resolve_is_found() {
    let path = "proto/src/x.rs";
    for (text, cited) in [
        ("/// `spec/iccp.md` 4.4.\n", "spec/iccp.md 4.4"),
        ("/// `spec/iccp.md` 4.3 to 4.5.\n", "spec/iccp.md 4.5"),
        (
            "/// `spec/iccp.md` 4, 4.3,\n/// 4.9: x.\n",
            "spec/iccp.md 4.9",
        ),
        ("/// `spec/iccp.md`, section 5.\n", "spec/iccp.md 5"),
        ("/// `spec/iccp.md` 10, item 3.\n", "item 3 of section 10"),
        ("/// `spec/other.md` 1.\n", "spec/other.md"),
        ("/// `spec/behaviour.md` W-13: x.\n", "W-13"),
        ("/// P-4: x.\n", "P-4"),
        ("fn f() {} // E8\n", "E8"),
        ("/// W-12, 9.6: x.\n", "spec/behaviour.md 9.6"),
        ("/// So it is (4.3).\n", "4.3 of no specification"),
        ("//! `spec/iccp.md`\n\n/// 9.5: x.\n", "spec/iccp.md 9.5"),
    ] {
        let found = [format!("{path} cites {cited}, which is not there")];
        assert_eq!(violations_with(path, text), found, "{text}");
    }
    assert_eq!(
        violations_with("docs/x.md", "As W-13 has it.\n"),
        ["docs/x.md cites W-13, which is not there"]
    );
    assert_eq!(
        violations_with(
            "docs/spec/x.md",
            "## 1. X\n\nAs (1.2) and `iccp.md` 9 have it.\n"
        ),
        [
            "docs/spec/x.md cites spec/x.md 1.2, which is not there",
            "docs/spec/x.md cites spec/iccp.md 9, which is not there"
        ]
    );
}

#[test]
fn a_module_s_specification_is_that_of_its_parts() {
    let mut tree = good();
    let head = "//! `spec/iccp.md`.\n";
    tree.sources
        .insert("proto/src/iccp/mod.rs".into(), head.into());
    tree.sources
        .insert("proto/src/iccp/x/tests.rs".into(), "/// (4.3)\n".into());
    assert_eq!(tree.violations(), Vec::<String>::new());
    tree.sources
        .insert("proto/src/iccp/x/tests.rs".into(), "/// (9.5)\n".into());
    assert_eq!(tree.violations().len(), 1);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let there = "[a](spec/iccp.md) [b](../docs/spec/) [c](https://example.org/x) [d](#top-of-it)\n\n# Top of it\n";
    assert_eq!(violations_with("docs/x.md", there), Vec::<String>::new());
    for target in [
        "specs/none.md",
        "iccp.md",
        "../spec/iccp.md",
        "spec/iccp.md#44-state",
        "#top",
    ] {
        assert_eq!(
            violations_with("docs/x.md", &format!("# X\n\nSee [it]({target}).\n")),
            [format!("docs/x.md links to {target}, which is not there")]
        );
    }
    let code = "# X\n\n```text\n[it](nowhere.md)\n```\n";
    assert!(violations_with("docs/x.md", code).is_empty());
}
