//! A settings file is checked by the daemon and by the tool: one verdict, in the same words.

use std::path::Path;
use std::process::{Command, Output};

use mclag_test_support::TempDir;

/// Files of the earlier daemons, and of ours: in quotes with the escapes of JSON, a line each.
const SEEDS: [(&str, &str); 2] = [
    (
        "iccpd.conf",
        include_str!("../../tests/fuzz/seeds/iccpd_conf.txt"),
    ),
    (
        "iccpd.toml",
        include_str!("../../tests/fuzz/seeds/iccpd_toml.txt"),
    ),
];

/// Inputs of operators that were answered differently once, or nearly.
fn cases() -> Vec<(&'static str, String)> {
    let pair = "mclag_id:1\nlocal_ip:10.0.0.1\npeer_ip:10.0.0.2\npeer_link:PortChannel10\n";
    let conf = |line: &str| ("iccpd.conf", format!("{pair}{line}\n"));
    let ports: Vec<String> = (0..128).map(|n| format!("PortChannel{n:04}")).collect();
    let toml = "[domain]\nid = 7\nlocal = \"10.0.0.1\"\npeer = \"10.0.0.2\"\npeer-link = \"p\"\n";
    vec![
        conf(""),
        conf("mclag_interface:PortChannel1,PortChannel2"),
        conf("mclag_interface:PortChannel1, PortChannel2"),
        conf("mclag_interface:['PortChannel1','PortChannel2']"),
        conf(&format!("mclag_interface:{}", ports.join(","))),
        conf("local_ip:10.0.0.1/24"),
        conf("syncd:sonic"),
        conf("nonsense"),
        ("iccpd.conf", format!("\u{feff}{pair}")),
        ("iccpd.conf", "mclag_id:1\n".to_owned()),
        ("iccpd.conf", String::new()),
        ("interfaces", "auto lo\niface lo inet loopback\n".to_owned()),
        ("iccpd", format!("{toml}ports = [\"bond1\"]\n")),
        (
            "iccpd.toml",
            format!("{toml}ports = [\"bond1\", \"bond1\"]\n"),
        ),
        ("iccpd.toml", format!("{toml}[log]\nfilter = \"info,=\"\n")),
        ("iccpd.toml", format!("\u{feff}{toml}")),
        (
            "iccpd.toml",
            include_str!("../../packaging/examples/iccpd.toml").to_owned(),
        ),
    ]
}

fn seeds() -> impl Iterator<Item = (&'static str, String)> {
    SEEDS.into_iter().flat_map(|(name, seeds)| {
        let lines = seeds.lines().filter(|line| line.starts_with('"'));
        lines.map(move |line| (name, serde_json::from_str(line).unwrap()))
    })
}

fn words(output: &Output, program: &str) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.replace(&format!("{program}: "), "")
}

#[test]
fn the_daemon_and_the_tool_have_one_verdict_on_every_file() {
    let place = TempDir::new("verdict");
    let mut verdicts = [0; 2];
    for (name, text) in cases().into_iter().chain(seeds()) {
        let file = place.write(name, &text);
        let run = |program: &str, args: &[&Path]| {
            let output = Command::new(program).args(args).arg(&file).output();
            output.unwrap()
        };
        let iccpd = ["--check", "-c"].map(Path::new);
        let iccpd = run(env!("CARGO_BIN_EXE_iccpd"), &iccpd);
        let mclagctl = ["config", "check"].map(Path::new);
        let mclagctl = run(env!("CARGO_BIN_EXE_mclagctl"), &mclagctl);
        assert_eq!(
            (iccpd.status.code(), words(&iccpd, "iccpd")),
            (mclagctl.status.code(), words(&mclagctl, "mclagctl")),
            "{name}: {text:?}"
        );
        verdicts[usize::from(iccpd.status.success())] += 1;
    }
    assert!(verdicts.iter().all(|count| *count >= 5), "{verdicts:?}");
}

#[test]
fn a_file_that_is_not_there_fails_both_checks() {
    let place = TempDir::new("verdict-absent");
    let absent = place.path("iccpd.toml");
    for (program, args) in [
        (env!("CARGO_BIN_EXE_iccpd"), ["--check", "-c"]),
        (env!("CARGO_BIN_EXE_mclagctl"), ["config", "check"]),
    ] {
        let output = Command::new(program).args(args).arg(&absent).output();
        assert_eq!(output.unwrap().status.code(), Some(1), "{program}");
    }
}
