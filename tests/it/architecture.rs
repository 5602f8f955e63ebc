//! What the sources promise about themselves: the direction of imports, the one `unsafe` block, no stubs, small files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A source file below `src/`.
struct File {
    /// From the root of the crate, with `/`.
    path: String,
    /// The module of `lib.rs` that it belongs to.
    module: String,
    /// Without comments, the contents of text, and test modules.
    code: String,
    text: String,
}

/// Every file of the library, test modules left out.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut paths: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = matches!(path.file_stem().and_then(|stem| stem.to_str()), Some("tests"));
            match path.is_dir() {
                _ if is_test => {}
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => paths.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    let file = |path: PathBuf| {
        let relative: Vec<&str> =
            path.strip_prefix(root).unwrap().iter().map(|piece| piece.to_str().unwrap()).collect();
        let text = std::fs::read_to_string(&path).unwrap();
        File {
            path: relative.join("/"),
            module: relative[1].trim_end_matches(".rs").to_owned(),
            code: without_tests(&code_of(&text)),
            text,
        }
    };
    paths.into_iter().map(file).collect()
}

/// The text with comments and the contents of literals turned into spaces; lines stay.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |n: usize| chars.get(n).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut n = 0;
    // Writes blanks up to a place, keeping line ends.
    let blank = |out: &mut String, from: usize, to: usize| {
        out.extend(chars[from..to.min(chars.len())].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    };
    while n < chars.len() {
        let start = n;
        let in_word = n > 0 && (at(n - 1).is_alphanumeric() || at(n - 1) == '_');
        match (at(n), at(n + 1)) {
            ('/', '/') => {
                while n < chars.len() && at(n) != '\n' {
                    n += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(n), at(n + 1)) {
                        ('/', '*') => (depth, n) = (depth + 1, n + 2),
                        ('*', '/') => (depth, n) = (depth - 1, n + 2),
                        _ => n += 1,
                    }
                    if depth == 0 || n >= chars.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#') | ('b', 'r') if !in_word && raw_quote(&chars, n).is_some() => {
                let (quote, hashes) = raw_quote(&chars, n).unwrap();
                n = quote + 1;
                while n < chars.len() && !(at(n) == '"' && (1..=hashes).all(|hash| at(n + hash) == '#')) {
                    n += 1;
                }
                n += 1 + hashes;
            }
            ('"', _) => {
                n += 1;
                while n < chars.len() && at(n) != '"' {
                    n += if at(n) == '\\' { 2 } else { 1 };
                }
                n += 1;
            }
            // A character, not a lifetime.
            ('\'', '\\') => {
                n += 3;
                while n < chars.len() && at(n) != '\'' {
                    n += 1;
                }
                n += 1;
            }
            ('\'', _) if at(n + 2) == '\'' => n += 3,
            (c, _) => {
                out.push(c);
                n += 1;
                continue;
            }
        }
        blank(&mut out, start, n);
    }
    out
}

/// The place of the opening quote of a raw string at `n`, and its number of hashes.
fn raw_quote(chars: &[char], n: usize) -> Option<(usize, usize)> {
    let mut quote = n + if chars[n] == 'b' { 2 } else { 1 };
    let hashes = chars.get(quote..)?.iter().take_while(|&&c| c == '#').count();
    quote += hashes;
    (chars.get(quote) == Some(&'"')).then_some((quote, hashes))
}

/// The code with every item under `#[cfg(test)]` blanked.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(start);
        out.push_str(before);
        // The item ends at its `;` or with its block.
        let mut depth = 0_usize;
        let end = item.char_indices().find_map(|(n, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0 && matches!(c, ';' | '}')).then_some(n + 1)
        });
        let (item, after) = item.split_at(end.unwrap_or(item.len()));
        out.push_str("\n#removed");
        out.extend(item.chars().filter(|&c| c == '\n').map(|_| "\n#removed"));
        rest = after;
    }
    out + rest
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The first names behind every `crate::` of the code, those in braces among them.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[start + "crate::".len()..];
        if !rest.starts_with('{') {
            found.extend(words(rest).next().map(str::to_owned));
            continue;
        }
        let (mut depth, mut group) = (0, String::new());
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => group.push('\n'),
                c if depth == 1 => group.push(c),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        found.extend(group.lines().filter_map(|item| words(item).next()).map(str::to_owned));
    }
    found
}

/// The modules of `lib.rs` in order, and the module behind each name that it re-exports.
fn library() -> (Vec<String>, BTreeMap<String, String>) {
    let lib = files().into_iter().find(|file| file.path == "src/lib.rs").unwrap();
    let (mut modules, mut exports) = (Vec::new(), BTreeMap::new());
    for item in lib.code.split(';') {
        let words: Vec<&str> = words(item).skip_while(|&word| word != "mod" && word != "use").collect();
        match *words.as_slice() {
            ["mod", module] => modules.push(module.to_owned()),
            ["use", module, ref names @ ..] => {
                exports.extend(names.iter().map(|&name| (name.to_owned(), module.to_owned())));
            }
            _ => {}
        }
    }
    assert!(modules.len() > 10, "{modules:?}");
    (modules, exports)
}

#[test]
fn a_module_imports_only_from_those_above_it() {
    let (modules, exports) = library();
    let place = |name: &str| modules.iter().position(|module| module == name);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in files().iter().filter(|file| file.path != "src/lib.rs") {
        let own = place(&file.module).unwrap_or_else(|| panic!("{} is not in lib.rs", file.path));
        for import in imports(&file.code) {
            let module = exports.get(&import).unwrap_or(&import);
            checked += 1;
            match place(module) {
                Some(other) if other <= own => {}
                // A crate that is re-exported.
                None if exports.contains_key(&import) || import == "half" => {}
                _ => wrong.push(format!("{} imports {import}", file.path)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "only {checked} imports were found");
}

/// What each room must not know (the table of the design), or all that it may know.
#[test]
fn rooms_know_only_what_they_need() {
    let (_, exports) = library();
    let forbidden: [(&str, &[&str]); 5] = [
        ("source", &["container", "pickle", "torch", "tensor"]),
        ("container", &["pickle", "torch", "tensor"]),
        ("tensor", &["pickle", "container", "torch"]),
        ("torch", &["container", "load"]),
        ("device", &["source", "container", "pickle", "torch", "tensor"]),
    ];
    let only: [(&str, &[&str]); 4] = [
        ("error", &["error"]),
        ("limits", &["limits", "error"]),
        ("pickle", &["pickle", "error", "limits"]),
        ("device", &["device", "error"]),
    ];
    let mut wrong = Vec::new();
    for file in files() {
        for import in imports(&file.code) {
            let module = exports.get(&import).unwrap_or(&import).as_str();
            let known = |list: &[(&str, &[&str])]| {
                list.iter().find(|(name, _)| *name == file.module).map(|(_, names)| names.contains(&module))
            };
            if known(&forbidden) == Some(true) || known(&only) == Some(false) {
                wrong.push(format!("{} imports {import}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_is_one_unsafe_block() {
    let found: Vec<String> = files()
        .iter()
        .flat_map(|file| words(&file.code).filter(|&word| word == "unsafe").map(|_| file.path.clone()))
        .collect();
    assert_eq!(found, ["src/source/mapping.rs"]);
}

#[test]
fn nothing_is_left_to_do() {
    for file in files() {
        for stub in ["todo!", "unimplemented!", "unreachable!", "dbg!", "println!"] {
            assert!(!file.code.contains(stub), "{} has {stub}", file.path);
        }
    }
}

#[test]
fn files_stay_small_and_say_what_they_are() {
    let mut long = Vec::new();
    for file in files() {
        let lines = file.code.lines().filter(|line| !line.starts_with("#removed")).count();
        if lines > 500 {
            long.push(format!("{}: {lines} lines", file.path));
        }
        assert!(file.text.starts_with("//! "), "{} does not begin with what it is", file.path);
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn this_test_reads_code_as_the_compiler_does() {
    let code = code_of(
        "a /* crate::x /* nested */ */ b // crate::y\n\"crate::z \\\" unsafe\" r#\"un\"safe\"# 'c' '\\'' b'\"' 'static fn",
    );
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "b", "'static", "fn"]);
    let tested = without_tests("use crate::a;\n#[cfg(test)]\nmod tests {\n use crate::b; fn x() {}\n}\nuse crate::c;");
    assert_eq!(imports(&tested), ["a", "c"]);
    assert_eq!(imports("use crate::{a, b::{c, d}, e as f}; $crate::g; crate::H::new()"), ["a", "b", "e", "H"]);
}
