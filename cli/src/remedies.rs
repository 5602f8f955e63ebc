//! Remedies that the library's errors name, in the command line's own words.

use regex::Regex;

/// What an error of the library says, in these words.
pub(crate) fn said(error: &torch_checkpoint::Error) -> String {
    in_options(&error.to_string())
}

/// A message of the library, whose remedies are its own functions, with what the command line has for them.
fn in_options(message: &str) -> String {
    let pairs = [
        ("; pipes go through `LoadOptions::open_reader`", "; write what the pipe gives to a file first"),
        ("; raise it with `LoadOptions::limits` if the file is trusted", ", which the command line does not raise"),
        ("; use `Backing::Mapped`", ""),
        (": free some, or read parts (`Tensor::narrow`)", ": free some"),
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
        assert_eq!(
            in_options(
                "5 is more than the limit of 4 for `Limits::names`; raise it with `LoadOptions::limits` if the file is trusted"
            ),
            "5 is more than the limit of 4 for `Limits::names`, which the command line does not raise"
        );
        assert_eq!(in_options(message), "choose one with `--key model`, or take every tensor with `--flatten`");
    }
}
