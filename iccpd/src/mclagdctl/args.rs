//! The command line of `mclagdctl` (`spec/mclagdctl-protocol.md` 6).
//!
//! Options are read as GNU `getopt_long` reads them: before, between and behind the words, long
//! ones abbreviated as far as they stay unique, with the messages of the C library.

use mclag_proto::mclagdctl::{Command, Dialect, LogLevel};
use std::fmt::Write as _;

/// What is to be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Invocation {
    /// The command.
    pub command: Command,
    /// MC-LAG id or log level: the options share one variable, the last one given counts.
    pub value: i32,
}

impl Invocation {
    /// True when the command needs an MC-LAG id and none was given.
    #[must_use]
    pub const fn lacks_id(&self) -> bool {
        let optional = matches!(
            self.command,
            Command::State | Command::Counters | Command::LogLevel
        );
        self.value == 0 && !optional
    }
}

/// Why nothing is to be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Help was asked for: print it, exit 0.
    Help,
    /// Print this on standard error and the help on standard output, exit 1.
    Wrong(String),
}

impl Stop {
    fn unknown_option(complaint: &str) -> Self {
        Self::Wrong(format!("{complaint}\nunknown option.\n"))
    }
}

/// Read the arguments; `program` is the name as invoked.
///
/// # Errors
///
/// When they do not amount to a command.
pub fn parse(program: &str, args: &[String], dialect: Dialect) -> Result<Invocation, Stop> {
    let mut value = 0;
    let mut words = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            words.extend(args.by_ref().map(String::as_str));
        } else if let Some(long) = arg.strip_prefix("--") {
            let (option, argument) = long_option(program, long, dialect)?;
            let argument = match (option.takes_argument(), argument) {
                (false, _) => "",
                (true, Some(argument)) => argument,
                (true, None) => args.next().ok_or_else(|| {
                    let name = option.name();
                    let complaint = format!("{program}: option '--{name}' requires an argument");
                    Stop::unknown_option(&complaint)
                })?,
            };
            option.apply(argument, &mut value)?;
        } else if arg.len() > 1 && arg.starts_with('-') {
            short_options(program, &arg[1..], &mut args, dialect, &mut value)?;
        } else {
            words.push(arg.as_str());
        }
    }
    let command = command(&words, dialect)?;
    Ok(Invocation { command, value })
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opt {
    Help,
    Id,
    Level,
}

impl Opt {
    /// Those of a dialect.
    const fn all(dialect: Dialect) -> &'static [Self] {
        match dialect {
            Dialect::Sonic => &[Self::Help, Self::Id, Self::Level],
            Dialect::LinuxMclag => &[Self::Help, Self::Id],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Id => "mclag-id",
            Self::Level => "level",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Help => 'h',
            Self::Id => 'i',
            Self::Level => 'l',
        }
    }

    const fn takes_argument(self) -> bool {
        !matches!(self, Self::Help)
    }

    fn apply(self, argument: &str, value: &mut i32) -> Result<(), Stop> {
        match self {
            Self::Help => return Err(Stop::Help),
            Self::Id => *value = number(argument),
            Self::Level => {
                let level = argument.chars().next().and_then(LogLevel::from_letter);
                let level =
                    level.ok_or_else(|| Stop::Wrong("unknown option \"l\".\n".to_owned()))?;
                *value = level.to_wire();
            }
        }
        Ok(())
    }
}

fn long_option<'a>(
    program: &str,
    text: &'a str,
    dialect: Dialect,
) -> Result<(Opt, Option<&'a str>), Stop> {
    let (name, argument) = match text.split_once('=') {
        Some((name, argument)) => (name, Some(argument)),
        None => (text, None),
    };
    let all = Opt::all(dialect).iter().copied();
    let matching: Vec<Opt> = all.filter(|o| o.name().starts_with(name)).collect();
    let exact = matching.iter().find(|o| o.name() == name);
    let option = match (exact, matching.as_slice()) {
        (Some(exact), _) => *exact,
        (None, [only]) => *only,
        (None, []) => {
            let complaint = format!("{program}: unrecognized option '--{text}'");
            return Err(Stop::unknown_option(&complaint));
        }
        (None, several) => {
            let mut complaint =
                format!("{program}: option '--{text}' is ambiguous; possibilities:");
            for option in several {
                write!(complaint, " '--{}'", option.name()).expect("a String takes anything");
            }
            return Err(Stop::unknown_option(&complaint));
        }
    };
    if argument.is_some() && !option.takes_argument() {
        let name = option.name();
        let complaint = format!("{program}: option '--{name}' doesn't allow an argument");
        return Err(Stop::unknown_option(&complaint));
    }
    Ok((option, argument))
}

/// One argument full of options of one letter, the last of which may take the rest or the next.
fn short_options<'a>(
    program: &str,
    letters: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    dialect: Dialect,
    value: &mut i32,
) -> Result<(), Stop> {
    for (at, letter) in letters.char_indices() {
        let option = Opt::all(dialect).iter().find(|o| o.letter() == letter);
        let Some(option) = option else {
            let complaint = format!("{program}: invalid option -- '{letter}'");
            return Err(Stop::unknown_option(&complaint));
        };
        if !option.takes_argument() {
            option.apply("", value)?;
            continue;
        }
        let argument = match &letters[at + letter.len_utf8()..] {
            "" => rest.next().map(String::as_str).ok_or_else(|| {
                let complaint = format!("{program}: option requires an argument -- '{letter}'");
                Stop::unknown_option(&complaint)
            })?,
            attached => attached,
        };
        return option.apply(argument, value);
    }
    Ok(())
}

/// A number as C's `atoi` reads it: blanks, a sign, digits, whatever follows; 0 without digits. Of one
/// that is too large the last 32 of 64 bits count, as on the hosts that the legacy tool is made for.
fn number(text: &str) -> i32 {
    let blank = |c: char| c == ' ' || ('\t'..='\r').contains(&c);
    let text = text.trim_start_matches(blank);
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    let number = digits.fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let digit = if negative { -digit } else { digit };
        number.saturating_mul(10).saturating_add(digit)
    });
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The command of these words: the first in the table of which each word is the beginning.
fn command(words: &[&str], dialect: Dialect) -> Result<Command, Stop> {
    let unknown = |word: &str| Stop::Wrong(format!("Unknown command \"{word}\".\n"));
    let mut candidates: Vec<Command> = Command::ALL.to_vec();
    candidates.retain(|command| command.code(dialect).is_some());
    for (level, word) in words.iter().enumerate() {
        candidates.retain(|command| {
            let expected = command.words().get(level);
            expected.is_some_and(|expected| expected.starts_with(word))
        });
        if candidates.is_empty() {
            return Err(unknown(word));
        }
    }
    let complete = |command: &&Command| command.words().len() == words.len();
    let found = candidates.iter().find(complete).copied();
    found.ok_or_else(|| Stop::Wrong("None or incomplete command\n".to_owned()))
}

/// The help; `program` is the name as invoked.
#[must_use]
pub fn help(program: &str, dialect: Dialect) -> String {
    let options = match dialect {
        Dialect::Sonic => {
            "    -h --help                Show this help\n    \
             -i --mclag-id            Specify one mclag id\n    \
             -l --level               Specify log level     critical,err,warn,notice,info,debug\n"
        }
        Dialect::LinuxMclag => {
            "    -h --help                Show this help\n    \
             -i --mclag-id             Specify one mclag id\n"
        }
    };
    let mut text = format!("{program} [options] command [command args]\n{options}Commands:\n");
    for command in Command::ALL {
        if command.code(dialect).is_some() {
            let words = command.words().join(" ");
            writeln!(text, "    {words}").expect("a String takes anything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{LinuxMclag, Sonic};

    const NAME: &str = "mclagdctl";

    fn run_in(dialect: Dialect, line: &[&str]) -> Result<(Command, i32), Stop> {
        let args: Vec<String> = line.iter().map(|a| (*a).to_owned()).collect();
        parse(NAME, &args, dialect).map(|i| (i.command, i.value))
    }

    fn run(line: &[&str]) -> Result<(Command, i32), Stop> {
        run_in(Sonic, line)
    }

    fn wrong(message: &str) -> Result<(Command, i32), Stop> {
        Err(Stop::Wrong(message.to_owned()))
    }

    /// `spec/mclagdctl-protocol.md` 6
    #[test]
    fn each_word_may_be_abbreviated_and_the_first_match_wins() {
        for (line, command) in [
            (&["dump", "state"][..], Command::State),
            (&["d", "s"], Command::State),
            (&["dump", "arp"], Command::Arp),
            (&["dump", "nd"], Command::Nd),
            (&["dump", "mac"], Command::Mac),
            (&["dump", "unique_ip"], Command::UniqueIp),
            (&["d", "u"], Command::UniqueIp),
            (&["dump", "portlist", "local"], Command::LocalPorts),
            (&["dump", "p", "l"], Command::LocalPorts),
            (&["d", "port", "p"], Command::PeerPorts),
            (&["dump", "debug", "counters"], Command::Counters),
            (&["d", "d", "c"], Command::Counters),
            (&["config", "loglevel"], Command::LogLevel),
            (&["c", "l"], Command::LogLevel),
            (&["dump", "p", ""], Command::LocalPorts),
        ] {
            assert_eq!(run(line), Ok((command, 0)), "{line:?}");
        }
    }

    /// `spec/mclagdctl-protocol.md` 6
    #[test]
    fn words_that_are_missing_unknown_or_too_many_are_complained_about() {
        for line in [
            &[][..],
            &["dump"],
            &["d", "p"],
            &["dump", "debug"],
            &["config"],
        ] {
            assert_eq!(run(line), wrong("None or incomplete command\n"), "{line:?}");
        }
        for (line, word) in [
            (&["show"][..], "show"),
            (&["dump", "fdb"], "fdb"),
            (&["dumpx", "state"], "dumpx"),
            (&["dump", "state", "now"], "now"),
            (&["dump", "portlist", "local", "all"], "all"),
            (&["DUMP", "state"], "DUMP"),
            (&["-"], "-"),
        ] {
            let message = format!("Unknown command \"{word}\".\n");
            assert_eq!(run(line), wrong(&message), "{line:?}");
        }
    }

    /// `spec/mclagdctl-protocol.md` 6
    #[test]
    fn linux_mclag_lacks_some_commands_and_the_level() {
        for line in [
            &["dump", "nd"][..],
            &["dump", "unique_ip"],
            &["dump", "debug"],
        ] {
            let message = format!("Unknown command \"{}\".\n", line[1]);
            assert_eq!(run_in(LinuxMclag, line), wrong(&message));
        }
        assert_eq!(
            run_in(LinuxMclag, &["config", "loglevel"]),
            wrong("Unknown command \"config\".\n")
        );
        assert_eq!(
            run_in(LinuxMclag, &["-l", "d", "dump", "state"]),
            wrong("mclagdctl: invalid option -- 'l'\nunknown option.\n")
        );
        let mac = run_in(LinuxMclag, &["-i", "1", "dump", "mac"]);
        assert_eq!(mac, Ok((Command::Mac, 1)));
    }

    #[test]
    fn options_may_stand_anywhere() {
        for line in [
            &["-i", "7", "dump", "mac"][..],
            &["dump", "-i", "7", "mac"],
            &["dump", "mac", "-i7"],
            &["dump", "mac", "--mclag-id", "7"],
            &["dump", "mac", "--mclag-id=7"],
            &["dump", "--mclag", "7", "mac"],
            &["-i", "7", "--", "dump", "mac"],
        ] {
            assert_eq!(run(line), Ok((Command::Mac, 7)), "{line:?}");
        }
        // Behind `--` there are words only.
        let message = "Unknown command \"-i\".\n";
        assert_eq!(run(&["dump", "mac", "--", "-i", "7"]), wrong(message));
    }

    /// `spec/mclagdctl-protocol.md` 6: `-i` and `-l` share one variable.
    #[test]
    fn the_last_of_id_and_level_wins() {
        let line = ["-i", "7", "-l", "debug", "config", "loglevel"];
        assert_eq!(run(&line), Ok((Command::LogLevel, 5)));
        let line = ["-l", "debug", "-i", "7", "config", "loglevel"];
        assert_eq!(run(&line), Ok((Command::LogLevel, 7)));
        assert_eq!(run(&["c", "l"]), Ok((Command::LogLevel, 0)), "critical");
        let mac = Invocation {
            command: Command::Mac,
            value: 0,
        };
        assert!(mac.lacks_id());
        let state = Invocation {
            command: Command::State,
            value: 0,
        };
        assert!(!state.lacks_id());
    }

    /// `spec/mclagdctl-protocol.md` 6
    #[test]
    fn only_the_first_letter_of_a_level_counts() {
        for (text, level) in [
            ("critical", 0),
            ("err", 1),
            ("Warning", 2),
            ("n", 3),
            ("INFO", 4),
            ("dunno", 5),
        ] {
            for option in [&["-l", text][..], &["--level", text], &["--l", text]] {
                let line = [option, &["c", "l"]].concat();
                assert_eq!(run(&line), Ok((Command::LogLevel, level)), "{text}");
            }
        }
        for text in ["", "x", "5", " d"] {
            let want = wrong("unknown option \"l\".\n");
            assert_eq!(run(&["-l", text, "c", "l"]), want, "{text:?}");
        }
    }

    #[test]
    fn ids_are_read_as_atoi_does() {
        for (text, value) in [
            ("1", 1),
            (" \t12x", 12),
            ("+3", 3),
            ("-1", -1),
            ("x1", 0),
            ("", 0),
            ("2147483647", i32::MAX),
            ("-2147483648", i32::MIN),
            ("4294967297", 1),
            ("99999999999999999999", -1),
            ("-99999999999999999999", 0),
        ] {
            assert_eq!(number(text), value, "{text:?}");
        }
    }

    #[test]
    fn options_that_do_not_exist_are_complained_about_as_the_c_library_does() {
        for (line, complaint) in [
            (&["-x"][..], "invalid option -- 'x'"),
            (&["-i"], "option requires an argument -- 'i'"),
            (&["--mclag-id"], "option '--mclag-id' requires an argument"),
            (&["--mclag"], "option '--mclag-id' requires an argument"),
            (&["--foo"], "unrecognized option '--foo'"),
            (&["--foo=1"], "unrecognized option '--foo=1'"),
            (&["--help=me"], "option '--help' doesn't allow an argument"),
            (
                &["--=1"],
                "option '--=1' is ambiguous; possibilities: '--help' '--mclag-id' '--level'",
            ),
        ] {
            let message = format!("mclagdctl: {complaint}\nunknown option.\n");
            assert_eq!(run(line), wrong(&message), "{line:?}");
        }
    }

    #[test]
    fn what_comes_first_counts() {
        assert_eq!(run(&["-h", "-x"]), Err(Stop::Help));
        assert_eq!(run(&["nonsense", "--he"]), Err(Stop::Help));
        assert_eq!(run(&["-hx"]), Err(Stop::Help));
        assert!(matches!(run(&["-x", "-h"]), Err(Stop::Wrong(_))));
    }

    /// `spec/mclagdctl-protocol.md` 6
    #[test]
    fn the_help_is_that_of_the_specification() {
        assert_eq!(
            help(NAME, Sonic),
            "\
mclagdctl [options] command [command args]
    -h --help                Show this help
    -i --mclag-id            Specify one mclag id
    -l --level               Specify log level     critical,err,warn,notice,info,debug
Commands:
    dump state
    dump arp
    dump nd
    dump mac
    dump unique_ip
    dump portlist local
    dump portlist peer
    dump debug counters
    config loglevel
"
        );
        assert_eq!(
            help("/usr/bin/mclagdctl", LinuxMclag),
            "\
/usr/bin/mclagdctl [options] command [command args]
    -h --help                Show this help
    -i --mclag-id             Specify one mclag id
Commands:
    dump state
    dump arp
    dump mac
    dump portlist local
    dump portlist peer
"
        );
    }
}
