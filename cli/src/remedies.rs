//! Remedies that the library's errors name, in the command line's own words.

use regex::Regex;

/// A message of the library, whose remedies are its own functions, with what the command line has for them.
pub(crate) fn in_options(message: &str) -> String {
    let pairs = [
        (" with `LoadOptions::flatten()`", " with `--flatten`"),
        ("; `Checkpoint::tensors` tells them apart by their paths", "; `--key` takes a part of the file"),
        (", or walk them with `LoadOptions::open`", ""),
        (", or walk them with `Checkpoint::constants`", ""),
        ("`LoadOptions::open` gives its values", "`show` lists its values"),
        (
            "`LoadOptions::open` gives it as `checkpoint.root().as_tensor()`",
            "`--flatten` takes it, `--rename '^$=NAME'` names it",
        ),
    ];
    let message = pairs.iter().fold(message.to_owned(), |message, (ours, theirs)| message.replace(ours, theirs));
    match Regex::new(r#"`LoadOptions::key\("([^"]*)"\)`"#) {
        Ok(key) => key.replace_all(&message, "`--key $1`").into_owned(),
        Err(_) => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_library_become_options() {
        let message =
            "choose one with `LoadOptions::key(\"model\")`, or take every tensor with `LoadOptions::flatten()`";
        assert_eq!(in_options(message), "choose one with `--key model`, or take every tensor with `--flatten`");
    }
}
