//! Settings files: what an operator or another system wrote, of any kind.

use std::path::Path;

use iccpd::settings::legacy::MAX_WARNINGS;
use syncd::settings::BackendKind;

/// The `iccpd.conf` of earlier daemons, both generations.
pub fn iccpd_conf(bytes: &[u8]) {
    let path = Path::new("iccpd.conf");
    let loaded = match iccpd::settings::parse(path, bytes) {
        Ok(loaded) => loaded,
        Err(error) => {
            let text = error.to_string();
            assert!(text.lines().count() <= MAX_WARNINGS + 2, "{text}");
            return;
        }
    };
    assert!(loaded.warnings().len() <= MAX_WARNINGS + 1);
    for warning in loaded.warnings() {
        assert!(!warning.message.contains('\n'), "{warning:?}");
        let text = warning.located(path).to_string();
        // What is suggested has lines of its own, as many as it takes.
        assert_eq!(text.lines().count(), 1 + warning.instead.len(), "{text}");
        assert!(text.lines().all(|line| line.len() < 2000), "{text}");
    }
    let Some(legacy) = &loaded.legacy else {
        return iccpd_toml(bytes);
    };
    // Converting it changes nothing.
    let toml = legacy.to_toml(&loaded.settings, path);
    let again = iccpd::settings::Settings::parse(Path::new("iccpd.toml"), &toml);
    match again {
        Ok(again) => assert_eq!(again, loaded.settings, "converted to:\n{toml}"),
        Err(error) => panic!("converted to:\n{toml}\nwhich is wrong:\n{error}"),
    }
}

/// The settings of our `iccpd`.
pub fn iccpd_toml(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let path = Path::new("iccpd.toml");
    match iccpd::settings::Settings::parse(path, text) {
        Ok(settings) => {
            let written = settings.to_string();
            let again = iccpd::settings::Settings::parse(path, &written);
            let again = again.unwrap_or_else(|error| panic!("{written}\nis wrong:\n{error}"));
            assert_eq!(again, settings, "written as:\n{written}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The settings of our `syncd`.
pub fn syncd_toml(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let path = Path::new("syncd.toml");
    match syncd::settings::Settings::parse(path, text) {
        Ok(mut settings) => {
            // What another backend would have is not written.
            if settings.backend != BackendKind::Record {
                settings.record_ports.clear();
            }
            let written = settings.to_string();
            let again = syncd::settings::Settings::parse(path, &written);
            let again = again.unwrap_or_else(|error| panic!("{written}\nis wrong:\n{error}"));
            assert_eq!(again, settings, "written as:\n{written}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
