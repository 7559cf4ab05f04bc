//! The texts of the Rust sources, and what each is for: the reader follows the modules as the compiler does.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{Text, has_a_word, shown};

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Message,
    /// The object of an error, its hint, or a line that reports no fault.
    Other,
}

/// The arguments that say what a text is: the function, the number of the argument, the part. The innermost one counts.
const ARGUMENTS: [(&str, usize, Part); 20] = [
    ("Error::new", 0, Part::Other),
    ("Error::new", 1, Part::Message),
    (".error", 0, Part::Message),
    (".error_here", 0, Part::Message),
    ("bad", 0, Part::Message),
    ("bad", 1, Part::Message),
    ("fail", 0, Part::Message),
    ("fail", 1, Part::Other),
    ("Refused", 0, Part::Message),
    (".hint", 0, Part::Other),
    (".hint_if_none", 0, Part::Other),
    (".about", 0, Part::Other),
    (".about_hint", 0, Part::Other),
    (".about_hint", 1, Part::Other),
    (".renamed", 0, Part::Other),
    (".on", 0, Part::Other),
    ("Cursor::new", 0, Part::Other),
    (".join", 0, Part::Other),
    ("count", 1, Part::Other),
    ("counted", 1, Part::Other),
];

/// The macros of the log: every argument of a call is for the log.
const LOGS: [(&str, Part); 9] = [
    ("log::error!", Part::Message),
    ("log::warn!", Part::Message),
    ("log::info!", Part::Other),
    ("log::debug!", Part::Other),
    ("log::trace!", Part::Other),
    ("say::error!", Part::Message),
    ("say::warn!", Part::Message),
    ("say::info!", Part::Other),
    ("say::debug!", Part::Other),
];

/// Which parts of the sources count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Features {
    /// What the agent is built from: nothing that needs a feature.
    None,
    /// The commands for people.
    All,
}

/// The texts of a file and of its modules, without the tests.
pub(crate) fn texts(root: &Path, file: &str, features: Features) -> Vec<Text> {
    let source = fs::read_to_string(root.join(file)).unwrap();
    let stream = source.parse::<TokenStream>().unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut reader = Reader { file, features, texts: Vec::new(), modules: Vec::new() };
    reader.read(stream, &[]);
    let path = Path::new(file);
    let (folder, name) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
    let folder = if ["mod", "lib", "main"].contains(&name) { folder.to_owned() } else { folder.join(name) };
    let mut all = reader.texts;
    for module in reader.modules {
        let paths = [folder.join(format!("{module}.rs")), folder.join(&module).join("mod.rs")];
        let path: &PathBuf = paths.iter().find(|path| root.join(path).exists()).unwrap();
        all.extend(texts(root, path.to_str().unwrap(), features));
    }
    all
}

struct Reader<'a> {
    file: &'a str,
    features: Features,
    texts: Vec<Text>,
    modules: Vec<String>,
}

impl Reader<'_> {
    /// Reads tokens that are inside the arguments `calls`, the innermost last.
    fn read(&mut self, stream: TokenStream, calls: &[(String, usize)]) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let (mut at, mut argument) = (0, 0);
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Punct(punct) if punct.as_char() == ',' => argument += 1,
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let inner = usize::from(is_punct(tokens.get(at + 1), '!'));
                    if let Some(TokenTree::Group(group)) = tokens.get(at + 1 + inner) {
                        at += 2 + inner;
                        if self.leaves_out(&group.stream().to_string()) {
                            at = end_of_item(&tokens, at);
                        }
                        continue;
                    }
                }
                TokenTree::Ident(word) if word == "mod" && is_punct(tokens.get(at + 2), ';') => {
                    self.modules.push(tokens[at + 1].to_string());
                }
                TokenTree::Group(group) => {
                    let mut inside = calls.to_vec();
                    if let Some(last) = inside.last_mut() {
                        last.1 = argument;
                    }
                    let is_call = group.delimiter() == Delimiter::Parenthesis;
                    inside.push((if is_call { name_before(&tokens[..at]) } else { String::new() }, 0));
                    self.read(group.stream(), &inside);
                }
                TokenTree::Literal(literal) => {
                    if let syn::Lit::Str(text) = syn::Lit::new(literal.clone()) {
                        let mut inside = calls.to_vec();
                        if let Some(last) = inside.last_mut() {
                            last.1 = argument;
                        }
                        self.push(&text.value(), &inside);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Whether an attribute leaves out what follows it.
    fn leaves_out(&self, attribute: &str) -> bool {
        let words: Vec<_> = attribute.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let has = |word| words.contains(&word);
        words[0] == "cfg" && !has("not") && (has("test") || has("feature") && self.features == Features::None)
    }

    fn push(&mut self, text: &str, calls: &[(String, usize)]) {
        let part = |(name, argument): &(String, usize)| {
            let log = LOGS.iter().find(|log| log.0 == name).map(|log| log.1);
            log.or_else(|| ARGUMENTS.iter().find(|known| known.0 == name && known.1 == *argument).map(|known| known.2))
        };
        let part = calls.iter().rev().find_map(part);
        let words = shown(&without_values(text));
        // A hint asks.
        let is_prose = words.contains(' ') && !words.ends_with('?');
        if has_a_word(&words) && (part == Some(Part::Message) || part.is_none() && is_prose) {
            let (file, is_message) = (self.file.to_owned(), part.is_some());
            self.texts.push(Text { file, words, is_message });
        }
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// The token behind an item, a field or an arm that begins at `at`.
fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        at += 1;
        let is_block = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if is_block || is_punct(Some(token), ';') || is_punct(Some(token), ',') {
            break;
        }
    }
    at
}

/// The name of what is called: `Error::new`, `.hint`, `log::warn!`; empty if nothing is.
fn name_before(tokens: &[TokenTree]) -> String {
    let mut rest = tokens;
    let mut name = String::new();
    if is_punct(rest.last(), '!') {
        name.push('!');
        rest = &rest[..rest.len() - 1];
    }
    loop {
        let Some((TokenTree::Ident(word), before)) = rest.split_last() else { return name };
        name.insert_str(0, &word.to_string());
        rest = before;
        if is_punct(rest.last(), ':') && is_punct(rest.get(rest.len().wrapping_sub(2)), ':') {
            name.insert_str(0, "::");
            rest = &rest[..rest.len() - 2];
        } else {
            return if is_punct(rest.last(), '.') { format!(".{name}") } else { name };
        }
    }
}

/// A format string with `...` in place of each value.
fn without_values(text: &str) -> String {
    let marked = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut parts = marked.split('{');
    let mut words = parts.next().unwrap().to_owned();
    for part in parts {
        words += "...";
        words += part.split_once('}').map_or(part, |(_, rest)| rest);
    }
    words.replace('\u{1}', "{").replace('\u{2}', "}")
}
