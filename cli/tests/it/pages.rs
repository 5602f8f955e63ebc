//! Completions and manual pages.

use crate::{run, stdout};

#[test]
fn every_shell_has_completions() {
    for (shell, mark) in [
        ("bash", "complete -F _torch__checkpoint"),
        ("zsh", "#compdef torch-checkpoint"),
        ("fish", "complete -c torch-checkpoint"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains(mark), "{shell}");
        assert!(script.contains("--map-location") || script.contains("map-location"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn every_state_of_the_bash_script_is_looked_for() {
    let script = stdout(&["completions", "bash"]);
    let states: Vec<&str> =
        script.lines().filter_map(|line| line.trim().strip_prefix("cmd=\"")?.strip_suffix('"')).collect();
    for command in ["show", "verify", "scan", "convert", "diff", "completions", "man"] {
        assert!(states.iter().any(|state| state.ends_with(&format!("__{command}"))), "{command}");
    }
    for state in states.into_iter().filter(|state| !state.is_empty()) {
        assert!(script.lines().any(|line| line.trim() == format!("{state})")), "{state}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let page = stdout(&["man"]);
    assert!(page.contains(".TH torch-checkpoint 1") && page.contains("show"), "{page}");
    for command in ["show", "verify", "scan", "diff", "completions", "man"] {
        let page = stdout(&["man", command]);
        assert!(page.contains(&format!(".TH torch-checkpoint-{command} 1")), "{page}");
        assert!(page.contains("torch\\-checkpoint"), "{page}");
    }
    assert_eq!(run(&["man", "shwo"]).status.code(), Some(2));
}
