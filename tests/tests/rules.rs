//! The architecture, checked: which crate may know what.
//!
//! The rules are those of `docs/architecture.md`. They are checked on what cargo says about dependencies and on the
//! text of the sources, comments aside. Every rule has a test that shows a small tree to the checker in which the rule
//! is broken: a checker that finds nothing must not pass for a tree in which nothing is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

#[path = "rules/citations.rs"]
mod citations;

/// Crates that are free of I/O and of the clock.
const PURE: [&str; 2] = ["mclag-proto", "iccp-core"];

/// What a pure crate must not depend on, at any distance. A name that ends in a hyphen stands for all that begin so.
const IMPURE: [&str; 9] = [
    "tokio",
    "tokio-",
    "mio",
    "libc",
    "nix",
    "socket2",
    "rtnetlink",
    "netlink-",
    "async-",
];

/// Ways to ask for the time.
const CLOCKS: [&str; 2] = ["Instant::now", "SystemTime::now"];

/// What the daemons consist of, beside the pure crates.
const DAEMONS: [&str; 4] = ["iccpd", "syncd", "mclag-netlink", "mclag-daemon"];

/// Names of crates whose types belong to the netlink crate alone.
const NETLINK: [&str; 3] = ["netlink_packet", "netlink_sys", "rtnetlink"];

/// What a core must not name: the crate that carries its decisions out, and the ways in which that is done. That there
/// is such a process, and what it calls its backend when it introduces itself, the core may know. Nor does it name a
/// tool that shows its state.
const BACKENDS: [&str; 5] = ["syncd::", "switchdev", "nftables", "Recorder", "mclagdctl"];

/// Ways to ask which implementation the peer is.
const PEER_KINDS: [&str; 6] = [
    "LEGACY_",
    "is_legacy",
    "is_native",
    "traits.acknowledges",
    "traits.orphans",
    "announce().is_",
];

/// Where the core may ask that.
const PEER_POLICY: [&str; 1] = ["iccpd/core/src/policy/peer.rs"];

/// Ways to ask what the dataplane can do.
const DATAPLANE_KINDS: [&str; 3] = ["Abilities", "abilities.", ".tracking"];

/// Where the core may ask that; and where it is told.
const DATAPLANE_POLICY: [&str; 2] = [
    "iccpd/core/src/policy/dataplane.rs",
    "iccpd/core/src/input.rs",
];

/// Ways to run another program. The number of a system call is none, where it is refused.
const PROGRAMS: [&str; 7] = [
    "process::Command",
    "Command::new(",
    "execv(",
    "execvp",
    "execve(",
    "execveat(",
    "fn system(",
];

/// Macros whose lines an operator reads.
const LOGGED: [&str; 3] = ["info!(", "warn!(", "error!("];

/// Lines of code that a file may have without saying why.
const LONGEST: usize = 600;

/// What a file with more lines must say in its first comment, with the reason behind it.
const EXCUSE: &str = "Longer than 600 lines because";

/// Directories whose modules stand one above the other.
const LAYERED: [&str; 2] = ["syncd/src/reconcile", "iccpd/core/src/domain"];

/// Crates and their directories, the inner ones first.
const CRATES: [(&str, &str); 9] = [
    ("mclag-daemon", "proto/daemon"),
    ("mclag-netlink", "proto/netlink"),
    ("mclag-proto", "proto"),
    ("iccp-core", "iccpd/core"),
    ("iccpd", "iccpd"),
    ("syncd", "syncd"),
    ("mclag-test-support", "tests/support"),
    ("mclag-sim", "tests/sim"),
    ("mclag-tests", "tests"),
];

/// These files name everything that is forbidden.
const THESE_FILES: &str = "tests/tests/rules";

/// What is checked.
#[derive(Clone, Debug, Default)]
struct Tree {
    /// For each of our crates, what it depends on in production, at any distance.
    dependencies: BTreeMap<String, BTreeSet<String>>,
    /// Sources: path from the root of the workspace, and text.
    sources: BTreeMap<String, String>,
    /// Manifests, likewise.
    manifests: BTreeMap<String, String>,
    /// Documents in Markdown, likewise.
    docs: BTreeMap<String, String>,
    /// Paths of all files that a document may link to.
    files: BTreeSet<String>,
}

impl Tree {
    fn violations(&self) -> Vec<String> {
        [
            self.pure_crates_depend_on_nothing_impure(),
            self.pure_crates_do_not_ask_for_the_time(),
            self.core_and_syncd_do_not_know_each_other(),
            self.core_knows_no_dialect(),
            self.who_the_others_are_matters_in_one_file_each_of_the_core(),
            self.what_the_daemons_share_is_no_concern_of_others(),
            self.only_the_netlink_crate_names_netlink_types(),
            self.only_one_file_names_bincode(),
            self.the_daemons_run_no_other_programs(),
            self.nothing_takes_an_interface_down(),
            self.unsafe_code_stays_where_it_is_allowed(),
            self.long_files_give_a_reason(),
            self.daemons_know_no_wall_clock(),
            self.every_crate_has_the_lints_of_the_workspace(),
            self.logs_are_in_plain_words(),
            self.every_dependency_is_used(),
            self.modules_use_only_modules_below_them(),
            self.citations_resolve(),
            self.links_resolve(),
        ]
        .concat()
    }

    fn pure_crates_depend_on_nothing_impure(&self) -> Vec<String> {
        let mut found = Vec::new();
        for name in PURE {
            for dependency in self.dependencies.get(name).into_iter().flatten() {
                let impure = IMPURE.iter().any(|impure| match impure.strip_suffix('-') {
                    Some(_) => dependency.starts_with(impure),
                    None => dependency == impure,
                });
                if impure {
                    found.push(format!("{name} depends on {dependency}"));
                }
            }
        }
        found
    }

    fn pure_crates_do_not_ask_for_the_time(&self) -> Vec<String> {
        PURE.iter()
            .flat_map(|name| self.mentions(name, &CLOCKS))
            .collect()
    }

    /// A wall clock jumps: nothing that a daemon does depends on one.
    fn daemons_know_no_wall_clock(&self) -> Vec<String> {
        DAEMONS
            .iter()
            .flat_map(|name| self.mentions(name, &["SystemTime"]))
            .collect()
    }

    fn core_and_syncd_do_not_know_each_other(&self) -> Vec<String> {
        let mut found = self.mentions("syncd", &["iccp::", "iccp_core"]);
        found.extend(self.mentions("iccp-core", &BACKENDS));
        for (one, other) in [("syncd", "iccp-core"), ("iccp-core", "syncd")] {
            if self
                .dependencies
                .get(one)
                .is_some_and(|known| known.contains(other))
            {
                found.push(format!("{one} depends on {other}"));
            }
        }
        found
    }

    /// No module uses, by way of others, itself.
    fn modules_use_only_modules_below_them(&self) -> Vec<String> {
        LAYERED
            .iter()
            .flat_map(|directory| {
                let uses = self.uses_within(directory);
                let circles = uses.keys().filter(|name| reaches(&uses, name, name));
                let found =
                    circles.map(|name| format!("{directory}/{name}.rs is part of a circle"));
                found.collect::<Vec<_>>()
            })
            .collect()
    }

    /// Modules of a directory, and which modules beside it each of them uses.
    fn uses_within(&self, directory: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let prefix = format!("{directory}/");
        let modules: BTreeMap<&str, &String> = self
            .sources
            .iter()
            .filter_map(|(path, text)| {
                let name = path.strip_prefix(&prefix)?.strip_suffix(".rs")?;
                let is_module = !name.contains('/') && name != "tests" && name != "mod";
                is_module.then_some((name, text))
            })
            .collect();
        let users = modules.iter().map(|(name, text)| {
            let code = without_comments(&without_tests(text));
            let used = modules.keys().filter(|other| *other != name);
            let used = used.filter(|other| names_within(&code, "super", other));
            (*name, used.copied().collect())
        });
        users.collect()
    }

    /// The crate of what both daemons need as processes knows none of their work, and only they know it.
    fn what_the_daemons_share_is_no_concern_of_others(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, known) in &self.dependencies {
            let strangers: &[&str] = match name.as_str() {
                "mclag-daemon" => &["mclag-netlink", "iccp-core", "iccpd", "syncd"],
                "iccpd" | "syncd" | "mclag-sim" | "mclag-tests" => &[],
                _ => &["mclag-daemon"],
            };
            for stranger in strangers.iter().filter(|name| known.contains(**name)) {
                found.push(format!("{name} depends on {stranger}"));
            }
        }
        found
    }

    /// Of the peer protocol.
    fn core_knows_no_dialect(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.sources {
            if crate_of(path) == "iccp-core" && !is_test(path) {
                let code = without_comments(&without_tests(text));
                if names_within(&code, "iccp", "Dialect") {
                    found.push(format!("{path} mentions iccp::Dialect"));
                }
            }
        }
        found
    }

    /// What depends on it is a field of the policy, with its source beside it.
    fn who_the_others_are_matters_in_one_file_each_of_the_core(&self) -> Vec<String> {
        let outside = |words: &[&str], files: &[&str]| -> Vec<String> {
            let mut mentions = self.mentions("iccp-core", words);
            mentions.retain(|mention| !files.iter().any(|file| mention.starts_with(file)));
            mentions
        };
        let mut found = outside(&PEER_KINDS, &PEER_POLICY);
        found.extend(outside(&DATAPLANE_KINDS, &DATAPLANE_POLICY));
        found
    }

    fn only_the_netlink_crate_names_netlink_types(&self) -> Vec<String> {
        let others = CRATES.iter().filter(|(name, _)| *name != "mclag-netlink");
        others
            .flat_map(|(name, _)| self.mentions(name, &NETLINK))
            .collect()
    }

    fn only_one_file_names_bincode(&self) -> Vec<String> {
        let mentions = CRATES
            .iter()
            .flat_map(|(name, _)| self.mentions(name, &["bincode"]));
        let (inside, outside): (Vec<_>, Vec<_>) = mentions.partition(|mention| {
            mention.starts_with("proto/src/sync/") || mention.starts_with("proto/src/sync.rs")
        });
        let mut found = outside;
        if inside.len() > 1 {
            found.extend(inside);
        }
        found
    }

    fn unsafe_code_stays_where_it_is_allowed(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.sources {
            let code = without_comments(text);
            let allowed = crate_of(path) == "mclag-netlink"
                || path == "proto/daemon/src/sandbox.rs"
                || path.starts_with("proto/daemon/src/sandbox/")
                || path == "tests/src/traffic/packet.rs";
            let permits = ["allow(unsafe_code", "expect(unsafe_code"]
                .iter()
                .any(|permit| code.contains(permit));
            if permits && !allowed {
                found.push(format!("{path} allows unsafe code"));
            }
            if ["#![allow(unsafe_code", "#![expect(unsafe_code"]
                .iter()
                .any(|permit| code.contains(permit))
            {
                found.push(format!(
                    "{path} allows unsafe code for more than one function"
                ));
            }
        }
        found
    }

    fn long_files_give_a_reason(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in self.sources.iter().filter(|(path, _)| !is_test(path)) {
            let code = without_comments(&without_tests(text));
            let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
            let comment: String = text
                .lines()
                .take_while(|line| line.starts_with("//"))
                .collect();
            if lines > LONGEST && !comment.contains(EXCUSE) {
                found.push(format!(
                    "{path} has {lines} lines of code and no reason for it"
                ));
            }
        }
        found
    }

    fn every_crate_has_the_lints_of_the_workspace(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.manifests {
            let wanted = if path == "Cargo.toml" {
                "unsafe_code = \"deny\""
            } else {
                "[lints]\nworkspace = true"
            };
            if !text.contains(wanted) {
                found.push(format!("{path} lacks {wanted:?}"));
            }
        }
        found
    }

    /// By the crate that names it; what the workspace names, by a crate.
    fn every_dependency_is_used(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.manifests {
            for name in dependencies_of(text) {
                let word = name.replace('-', "_");
                let is_used = match CRATES
                    .iter()
                    .find(|(_, dir)| *path == format!("{dir}/Cargo.toml"))
                {
                    Some((owner, _)) => self
                        .sources
                        .iter()
                        .any(|(source, text)| crate_of(source) == *owner && text.contains(&word)),
                    None => self.manifests.iter().any(|(other, text)| {
                        other != path && dependencies_of(text).any(|used| used == name)
                    }),
                };
                if !is_used {
                    found.push(format!("{path} names {name}, which nothing uses"));
                }
            }
        }
        found
    }

    /// No shell, no `ip`, no `bridge`, with whatever name an interface has (`spec/behaviour.md` W-2, P-24).
    fn the_daemons_run_no_other_programs(&self) -> Vec<String> {
        let ours = CRATES
            .iter()
            .filter(|(name, _)| !name.starts_with("mclag-test"));
        ours.flat_map(|(name, _)| self.mentions(name, &PROGRAMS))
            .collect()
    }

    /// An address is changed while the interface is up, whoever wants it changed (`spec/behaviour.md` W-6, P-13). The
    /// netlink crate is where taking it down is written, and tested.
    fn nothing_takes_an_interface_down(&self) -> Vec<String> {
        let users = ["iccpd", "iccp-core", "syncd", "mclag-proto"];
        users
            .iter()
            .flat_map(|name| self.mentions(name, &["AdminUp("]))
            .collect()
    }

    /// Lines that operators read show values as operators write them; what is for developers, below `info`, need not.
    fn logs_are_in_plain_words(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.sources {
            if is_test(path) || crate_of(path).starts_with("mclag-test") {
                continue;
            }
            let code = without_comments(&without_tests(text));
            for level in LOGGED {
                let calls = code.split(level).skip(1).map(arguments);
                if calls.into_iter().any(shows_debug_text) {
                    found.push(format!("{path} has Debug text in {level}"));
                }
            }
        }
        found
    }

    /// Where the production code of a crate contains one of `words`: one line per file.
    fn mentions(&self, name: &str, words: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in &self.sources {
            if crate_of(path) != name || is_test(path) {
                continue;
            }
            let code = without_comments(&without_tests(text));
            for word in words {
                if code.contains(word) {
                    found.push(format!("{path} mentions {word}"));
                }
            }
        }
        found
    }

    /// The tree that this test belongs to.
    fn real() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the crate lies in the workspace");
        let mut tree = Self {
            dependencies: dependencies(root),
            ..Self::default()
        };
        let read = |path: &str| {
            fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        tree.manifests
            .insert("Cargo.toml".into(), read("Cargo.toml"));
        for (_, directory) in CRATES {
            let manifest = format!("{directory}/Cargo.toml");
            tree.manifests.insert(manifest.clone(), read(&manifest));
        }
        collect(root, "", &mut tree.files);
        for path in &tree.files {
            if path.ends_with(".md") {
                tree.docs.insert(path.clone(), read(path));
            } else if path.ends_with(".rs") && !path.starts_with(THESE_FILES) {
                tree.sources.insert(path.clone(), read(path));
            }
        }
        tree
    }
}

/// Names in the sections of a manifest that list dependencies.
fn dependencies_of(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        }
        let name = line.split([' ', '.', '=']).next()?;
        let is_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        (inside && !name.is_empty() && name.chars().all(is_name)).then_some(name)
    })
}

/// The crate that a source belongs to.
fn crate_of(path: &str) -> &'static str {
    let owner = CRATES.iter().find(|(_, directory)| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
    });
    owner.map_or("no crate", |(name, _)| name)
}

/// Whether one module uses another, by way of others or not.
fn reaches(uses: &BTreeMap<&str, BTreeSet<&str>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(name) = next.pop() {
        for used in uses.get(name).into_iter().flatten() {
            if *used == to {
                return true;
            }
            if seen.insert(*used) {
                next.push(used);
            }
        }
    }
    false
}

/// Whether code names `item` of `module`: with its path, or in a list behind it, however deep.
fn names_within(code: &str, module: &str, item: &str) -> bool {
    let is_of_word = |character: char| character.is_alphanumeric() || character == '_';
    let words = |text: &str| text.split(|c| !is_of_word(c)).any(|word| word == item);
    let prefix = format!("{module}::");
    code.match_indices(&prefix).any(|(at, _)| {
        if code[..at].ends_with(is_of_word) {
            return false;
        }
        let rest = &code[at + prefix.len()..];
        let mut depth = 0_usize;
        // A path ends with what is no part of one, a list with its last brace.
        let end = rest.find(|character: char| {
            match character {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && !is_of_word(character) && character != ':'
        });
        words(&rest[..end.unwrap_or(rest.len())])
    })
}

/// What stands between the parentheses of a call, of which the first is cut off already.
fn arguments(text: &str) -> &str {
    let mut depth = 1_usize;
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        match character {
            '"' => {
                at += string_len(&text[at..]);
                continue;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        at += character.len_utf8();
    }
    &text[..at]
}

/// Whether arguments of a log line name a value with `?`, or format one with `:?`.
fn shows_debug_text(arguments: &str) -> bool {
    let mut rest = arguments;
    while let Some(character) = rest.chars().next() {
        let len = match character {
            '"' => string_len(rest),
            _ => character.len_utf8(),
        };
        let is_text = len > 1 && character == '"';
        let before = arguments[..arguments.len() - rest.len()].trim_end();
        let is_sigil = character == '?' && (before.is_empty() || before.ends_with([',', '=']));
        if is_sigil || is_text && (rest[..len].contains(":?}") || rest[..len].contains(":#?}")) {
            return true;
        }
        rest = &rest[len..];
    }
    false
}

/// True for files that hold nothing but tests.
fn is_test(path: &str) -> bool {
    let directory = CRATES
        .iter()
        .find(|(name, _)| *name == crate_of(path))
        .map_or("", |(_, directory)| directory);
    let inside = path.strip_prefix(directory).unwrap_or(path);
    inside.contains("/tests/") || inside.ends_with("/tests.rs") || inside.contains("/benches/")
}

/// The text without its test modules, which begin and end at the left margin.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let module = lines
            .peek()
            .is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if line == "#[cfg(test)]" && module {
            while lines.next().is_some_and(|line| line != "}") {}
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The text without comments. Knows enough of the language not to be misled by `//` within a string.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            let len = if character == '"' {
                string_len(rest)
            } else {
                literal_len(rest).unwrap_or(character.len_utf8())
            };
            kept.push_str(&rest[..len]);
            len
        };
        rest = &rest[len..];
    }
    kept
}

/// Length of the string that `text` begins with.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the raw string or quoted quote that `text` begins with, if it does.
fn literal_len(text: &str) -> Option<usize> {
    if text.starts_with("'\"'") {
        return Some(3);
    }
    let hashes = text
        .strip_prefix('r')?
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    let body = text.get(1 + hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(
        body.find(&end)
            .map_or(text.len(), |at| 2 + hashes + at + end.len()),
    )
}

/// Paths of all files below a directory, but for what is built and what is hidden.
fn collect(root: &Path, directory: &str, files: &mut BTreeSet<String>) {
    let entries =
        fs::read_dir(root.join(directory)).unwrap_or_else(|error| panic!("{directory}: {error}"));
    for entry in entries {
        let entry = entry.expect("the directory can be read");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let path = match directory {
            "" => name,
            directory => format!("{directory}/{name}"),
        };
        if entry.file_type().expect("the type is known").is_dir() {
            collect(root, &path, files);
        } else {
            files.insert(path);
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// Nothing for an ordinary dependency, `dev` or `build` for others.
    kind: Option<String>,
}

/// Ask cargo.
fn dependencies(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            &target,
        ])
        .current_dir(root)
        .output()
        .expect("cargo can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).expect("cargo's answer can be read");
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, &package.name))
        .collect();
    let nodes: BTreeMap<_, _> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (&node.id, node))
        .collect();

    let mut all = BTreeMap::new();
    for (name, _) in CRATES {
        let package = metadata
            .packages
            .iter()
            .find(|package| package.name == name);
        let package = package.unwrap_or_else(|| panic!("no crate {name}"));
        let mut known = BTreeSet::new();
        let mut waiting = vec![&package.id];
        while let Some(id) = waiting.pop() {
            for dependency in &nodes[id].deps {
                let ordinary = dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
                if ordinary && known.insert(names[&dependency.pkg].clone()) {
                    waiting.push(&dependency.pkg);
                }
            }
        }
        all.insert(name.to_owned(), known);
    }
    all
}

#[test]
fn this_project_keeps_its_rules() {
    let tree = Tree::real();
    // Nothing is wrong with an empty tree either.
    assert!(
        tree.sources.len() > 100,
        "only {} sources were found",
        tree.sources.len()
    );
    assert!(
        tree.docs.contains_key("docs/spec/behaviour.md"),
        "the specifications were not found"
    );
    assert!(
        tree.dependencies["iccpd"].contains("tokio"),
        "cargo's answer was misread"
    );
    assert!(
        tree.dependencies["mclag-proto"].contains("serde"),
        "cargo's answer was misread"
    );
    let violations = tree.violations();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// A small tree that keeps all rules.
fn good() -> Tree {
    let mut tree = Tree::default();
    for (name, directory) in CRATES {
        tree.dependencies
            .insert(name.into(), BTreeSet::from(["serde".into()]));
        tree.sources.insert(
            format!("{directory}/src/lib.rs"),
            "//! Good.\n\nfn good() {}\n".into(),
        );
        tree.manifests.insert(
            format!("{directory}/Cargo.toml"),
            "[lints]\nworkspace = true\n".into(),
        );
    }
    tree.manifests
        .insert("Cargo.toml".into(), "unsafe_code = \"deny\"\n".into());
    tree.sources.insert(
        "proto/src/sync/body.rs".into(),
        "use bincode::config;\n".into(),
    );
    tree
}

/// Put `text` into a file of a good tree and return what the checker says.
fn violations_with(path: &str, text: &str) -> Vec<String> {
    let mut tree = good();
    tree.sources.insert(path.into(), text.into());
    tree.violations()
}

/// Add a dependency to a good tree and return what the checker says.
fn violations_with_dependency(name: &str, dependency: &str) -> Vec<String> {
    let mut tree = good();
    tree.dependencies
        .entry(name.into())
        .or_default()
        .insert(dependency.into());
    tree.violations()
}

#[test]
fn a_good_tree_has_no_violations() {
    assert_eq!(good().violations(), Vec::<String>::new());
}

#[test]
fn an_impure_dependency_is_found() {
    for (name, dependency) in [
        ("mclag-proto", "libc"),
        ("iccp-core", "tokio"),
        ("iccp-core", "netlink-packet-core"),
    ] {
        assert_eq!(
            violations_with_dependency(name, dependency),
            [format!("{name} depends on {dependency}")]
        );
    }
    assert!(violations_with_dependency("iccpd", "tokio").is_empty());
}

#[test]
fn modules_that_use_each_other_are_found() {
    let mut tree = good();
    for (name, text) in [
        ("wanted", "use super::{Wide, fdb::Directive};"),
        ("fdb", "use super::ports;"),
        ("ports", "fn plan() { super::wanted::full() }"),
        ("interfaces", "use super::ports::Plan;"),
        ("tests", "use super::interfaces;"),
    ] {
        let path = format!("syncd/src/reconcile/{name}.rs");
        tree.sources.insert(path, text.into());
    }
    let found = |name| format!("syncd/src/reconcile/{name}.rs is part of a circle");
    assert_eq!(
        tree.violations(),
        [found("fdb"), found("ports"), found("wanted")]
    );
}

#[test]
fn a_look_at_the_clock_is_found() {
    let text = "fn now() -> Instant {\n    Instant::now()\n}\n";
    assert_eq!(
        violations_with("iccpd/core/src/timer.rs", text),
        ["iccpd/core/src/timer.rs mentions Instant::now"]
    );
    assert_eq!(
        violations_with("proto/src/x.rs", "let t = SystemTime::now();"),
        ["proto/src/x.rs mentions SystemTime::now"]
    );
    assert!(violations_with("iccpd/src/driver.rs", text).is_empty());
}

#[test]
fn a_daemon_that_reads_a_wall_clock_is_found() {
    let text = "fn age() -> SystemTime {\n    read()\n}\n";
    assert_eq!(
        violations_with("syncd/src/x.rs", text),
        ["syncd/src/x.rs mentions SystemTime"]
    );
}

#[test]
fn a_rule_about_a_kind_of_peer_outside_its_policy_is_found() {
    let text =
        "fn f(peer: &Peer) -> usize {\n    if peer.is_legacy() { LEGACY_MACS } else { 500 }\n}\n";
    let path = "iccpd/core/src/domain/x.rs";
    let found = ["LEGACY_", "is_legacy"].map(|word| format!("{path} mentions {word}"));
    assert_eq!(violations_with(path, text), found);
    assert!(violations_with("iccpd/core/src/policy/peer.rs", text).is_empty());
    assert!(violations_with("iccpd/src/x.rs", text).is_empty());
}

#[test]
fn a_rule_about_a_kind_of_dataplane_outside_its_policy_is_found() {
    let text = "fn f(syncd: &Syncd) -> bool {\n    syncd.abilities.tracking\n}\n";
    let path = "iccpd/core/src/domain/x.rs";
    let found = ["abilities.", ".tracking"].map(|word| format!("{path} mentions {word}"));
    assert_eq!(violations_with(path, text), found);
    assert!(violations_with("iccpd/core/src/policy/dataplane.rs", text).is_empty());
    assert!(violations_with("iccpd/src/x.rs", text).is_empty());
}

#[test]
fn comments_and_tests_may_say_what_code_may_not() {
    let text = "/// Not Instant::now(), see above.\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n    fn g() {\n        Instant::now();\n    }\n}\n";
    assert!(violations_with("iccpd/core/src/x.rs", text).is_empty());
    let after = format!("{text}fn late() {{ Instant::now(); }}\n");
    assert_eq!(violations_with("iccpd/core/src/x.rs", &after).len(), 1);
    assert!(violations_with("iccpd/core/src/x/tests.rs", "Instant::now()").is_empty());
}

#[test]
fn a_slash_in_a_string_hides_nothing() {
    for text in [
        "let s = \"//\"; Instant::now();",
        "let s = r#\"\"//\"#; Instant::now();",
        "'\"'; Instant::now(); '\"'",
    ] {
        assert_eq!(violations_with("proto/src/x.rs", text).len(), 1, "{text}");
    }
    assert!(violations_with("proto/src/x.rs", "let s = \"\\\"\"; // Instant::now()").is_empty());
    assert!(violations_with("proto/src/x.rs", "/* Instant::now() */ fn f() {}").is_empty());
}

#[test]
fn syncd_that_knows_the_peer_protocol_is_found() {
    assert_eq!(
        violations_with("syncd/src/server.rs", "use mclag_proto::iccp::Message;"),
        ["syncd/src/server.rs mentions iccp::"]
    );
    assert_eq!(
        violations_with_dependency("syncd", "iccp-core"),
        ["syncd depends on iccp-core"]
    );
}

#[test]
fn a_core_that_knows_a_backend_is_found() {
    assert_eq!(
        violations_with("iccpd/core/src/fdb.rs", "use syncd::op::Op;"),
        ["iccpd/core/src/fdb.rs mentions syncd::"]
    );
    assert_eq!(
        violations_with_dependency("iccp-core", "syncd"),
        ["iccp-core depends on syncd"]
    );
}

#[test]
fn a_core_that_knows_a_dialect_is_found() {
    let path = "iccpd/core/src/session.rs";
    for text in [
        "use mclag_proto::iccp::Dialect;",
        "use mclag_proto::iccp::{Message, Dialect};",
        "use mclag_proto::iccp::{\n    codec::{Decoder, Dialect},\n    Message,\n};",
        "use mclag_proto::{Mac, iccp::{self, Dialect}};",
        "if dialect == iccp::Dialect::Sonic {}",
    ] {
        let found = [format!("{path} mentions iccp::Dialect")];
        assert_eq!(violations_with(path, text), found, "{text}");
        assert!(violations_with("iccpd/src/peer.rs", text).is_empty());
    }
    for text in [
        "use mclag_proto::iccp::{Message, Tlv};\nuse mclag_proto::other::Dialect;",
        "use mclag_proto::{iccp::Tlv, other::Dialect};",
        "/// Not iccp::Dialect.\nfn f() {}",
    ] {
        assert!(violations_with(path, text).is_empty(), "{text}");
    }
}

#[test]
fn a_netlink_type_in_another_crate_is_found() {
    let text = "use netlink_packet_route::link::LinkMessage;";
    assert_eq!(
        violations_with("iccpd/src/kernel.rs", text),
        ["iccpd/src/kernel.rs mentions netlink_packet"]
    );
    assert_eq!(
        violations_with("syncd/src/x.rs", "rtnetlink::new_connection()").len(),
        1
    );
    assert!(violations_with("proto/netlink/src/link.rs", text).is_empty());
}

#[test]
fn a_second_file_that_names_bincode_is_found() {
    assert_eq!(
        violations_with("proto/src/sync/v2.rs", "bincode::encode()").len(),
        2
    );
    assert_eq!(
        violations_with("syncd/src/server.rs", "bincode::encode()"),
        ["syncd/src/server.rs mentions bincode"]
    );
}

#[test]
fn a_program_that_is_run_is_found() {
    let text = "fn f() { std::process::Command::new(\"ip\"); }";
    let path = "syncd/src/backend/linux.rs";
    let found = violations_with(path, text);
    let words = ["process::Command", "Command::new("];
    assert_eq!(found, words.map(|word| format!("{path} mentions {word}")));
    for free in ["tests/src/netns.rs", "syncd/tests/signals.rs"] {
        assert!(violations_with(free, text).is_empty(), "{free}");
    }
}

#[test]
fn an_interface_that_is_taken_down_is_found() {
    let text = "fn f() { set(link, LinkSetting::AdminUp(false)); }";
    let path = "syncd/src/backend/linux.rs";
    assert_eq!(
        violations_with(path, text),
        [format!("{path} mentions AdminUp(")]
    );
    assert!(violations_with("proto/netlink/src/link.rs", text).is_empty());
}

#[test]
fn unsafe_code_elsewhere_is_found() {
    let text = "#[allow(unsafe_code)]\nfn f() {}\n";
    for path in [
        "iccpd/src/driver.rs",
        "proto/src/bytes.rs",
        "tests/src/netns.rs",
        "syncd/tests/x.rs",
    ] {
        assert_eq!(
            violations_with(path, text),
            [format!("{path} allows unsafe code")]
        );
    }
    for path in [
        "proto/netlink/src/socket.rs",
        "proto/daemon/src/sandbox.rs",
        "tests/src/traffic/packet.rs",
    ] {
        assert!(violations_with(path, text).is_empty(), "{path}");
    }
    assert_eq!(
        violations_with("proto/netlink/src/socket.rs", "#![allow(unsafe_code)]"),
        ["proto/netlink/src/socket.rs allows unsafe code for more than one function"]
    );
}

#[test]
fn a_crate_that_knows_too_much_of_the_daemons_is_found() {
    for (name, dependency) in [
        ("mclag-daemon", "iccp-core"),
        ("mclag-daemon", "mclag-netlink"),
        ("mclag-netlink", "mclag-daemon"),
    ] {
        let wanted = format!("{name} depends on {dependency}");
        assert_eq!(violations_with_dependency(name, dependency), [wanted]);
    }
    for name in ["iccpd", "syncd"] {
        assert!(violations_with_dependency(name, "mclag-daemon").is_empty());
    }
}

#[test]
fn a_log_line_with_debug_text_is_found() {
    let path = "syncd/src/server.rs";
    for (text, level) in [
        ("fn f() { info!(?port, \"up\"); }", "info!("),
        (
            "fn f() { tracing::warn!(%from, pid = ?pid, \"refused\"); }",
            "warn!(",
        ),
        (
            "fn f() { error!(\n    reason = %f(a, b),\n    ?code,\n    \"lost\"\n); }",
            "error!(",
        ),
        ("fn f() { info!(\"now {port:?}\"); }", "info!("),
    ] {
        let found = [format!("{path} has Debug text in {level}")];
        assert_eq!(violations_with(path, text), found, "{text}");
    }
    for text in [
        "fn f() { info!(%port, \"up, is it?\"); let x = g()?; }",
        "fn f() { warn!(count = g()?, \"x\"); }",
        "fn f() { debug!(?message, \"from the peer\"); }",
        "#[cfg(test)]\nmod tests {\n    fn f() { info!(?x, \"\"); }\n}\n",
    ] {
        assert_eq!(violations_with(path, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_long_file_without_a_reason_is_found() {
    let code = "fn f() {}\n".repeat(LONGEST + 1);
    assert_eq!(
        violations_with("syncd/src/x.rs", &format!("//! Much.\n{code}")),
        ["syncd/src/x.rs has 601 lines of code and no reason for it"]
    );
    let reason = format!("//! Much.\n//!\n//! {EXCUSE} the standard's table is.\n{code}");
    assert!(violations_with("syncd/src/x.rs", &reason).is_empty());
    let tests = format!(
        "fn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n{}}}\n",
        "    // line\n    f();\n".repeat(LONGEST)
    );
    assert!(violations_with("syncd/src/x.rs", &tests).is_empty());
}

#[test]
fn a_crate_without_the_lints_is_found() {
    let mut tree = good();
    tree.manifests
        .insert("syncd/Cargo.toml".into(), "[package]\n".into());
    assert_eq!(tree.violations().len(), 1);
}

#[test]
fn a_dependency_that_nothing_uses_is_found() {
    let manifest = "[lints]\nworkspace = true\n[dev-dependencies]\nserde-json.workspace = true\n";
    let mut tree = good();
    tree.manifests
        .insert("syncd/Cargo.toml".into(), manifest.into());
    let wanted = ["syncd/Cargo.toml names serde-json, which nothing uses"];
    assert_eq!(tree.violations(), wanted);
    tree.sources
        .insert("syncd/src/x.rs".into(), "use serde_json::Value;\n".into());
    assert!(tree.violations().is_empty());
    let workspace =
        "unsafe_code = \"deny\"\n[workspace.dependencies]\nserde-json = \"1\"\nbytes = \"1\"\n";
    tree.manifests.insert("Cargo.toml".into(), workspace.into());
    assert_eq!(
        tree.violations(),
        ["Cargo.toml names bytes, which nothing uses"]
    );
}
