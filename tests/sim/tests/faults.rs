//! The patches in `tests/faults`, which put mended faults back: `make faults` shows that the simulator finds each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn applies(root: &Path, patch: &Path) -> Result<(), String> {
    let output = Command::new("git")
        .args(["apply", "--check"])
        .arg(patch)
        .current_dir(root)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn every_mended_fault_can_still_be_put_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let faults = fs::read_dir(root.join("tests/faults")).unwrap();
    let mut patches: Vec<PathBuf> = faults.map(|entry| entry.unwrap().path()).collect();
    patches.retain(|path| path.extension().is_some_and(|is| is == "patch"));
    patches.sort();
    assert!(patches.len() >= 7, "{patches:?}");
    let stale: Vec<String> = patches
        .iter()
        .filter_map(|patch| applies(&root, patch).err())
        .collect();
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

#[test]
fn a_patch_of_other_lines_is_noticed() {
    let directory = std::env::temp_dir().join(format!("mclag-faults-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let patch = directory.join("stale.patch");
    fs::write(
        &patch,
        "--- a/Cargo.toml\n+++ b/Cargo.toml\n@@ -1,1 +1,1 @@\n-[no such line]\n+[another]\n",
    )
    .unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let result = applies(&root, &patch);
    fs::remove_dir_all(&directory).unwrap();
    let error = result.unwrap_err();
    assert!(error.contains("Cargo.toml"), "{error}");
}
