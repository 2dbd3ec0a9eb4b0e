//! Ceilings: lines per file, lines and parameters per function; and no `bool` across a public seam.

use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::rules::{
    BOOL_FUNCTIONS, FILE_CEILING, FUNCTION_CEILING, LONG_FILES, PARAMETER_CEILING, WIDE_FUNCTIONS,
};
use crate::tree::{Finding, Source};

/// Production lines; of a test crate, all lines.
pub fn check_file(source: &Source) -> Vec<Finding> {
    let exempt = LONG_FILES.iter().any(|(path, _)| *path == source.path);
    let beside = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
    let n = source.n_production_lines();
    if exempt || beside || n <= FILE_CEILING {
        return Vec::new();
    }
    vec![Finding::new(&source.path, 1, format!("{n} lines (allowed: {FILE_CEILING})"))]
}

/// Lines and parameters of every function, tests included.
pub fn check_functions(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_wide = |name: &str| {
        WIDE_FUNCTIONS.iter().any(|(path, function, _)| *path == source.path && *function == name)
    };
    for function in functions(source) {
        let mut report = |n: usize, allowed: usize, unit: &str| {
            if n > allowed {
                let what = format!("{}: {n} {unit} (allowed: {allowed})", function.name);
                findings.push(Finding::new(&source.path, function.line, what));
            }
        };
        report(function.n_lines, FUNCTION_CEILING, "lines");
        if !is_wide(&function.name) {
            report(function.parameters.len(), PARAMETER_CEILING, "parameters");
        }
    }
    findings
}

/// A `bool` argument says nothing where it is called: an enum does.
pub fn check_bools(source: &Source) -> Vec<Finding> {
    let exempt = |name: &str| {
        BOOL_FUNCTIONS.iter().any(|(path, function, _)| *path == source.path && *function == name)
    };
    functions(source)
        .into_iter()
        .filter(|f| f.is_public && !source.is_test_line(f.line) && !exempt(&f.name))
        .filter(|f| f.parameters.iter().any(|parameter| parameter == "bool"))
        .map(|f| {
            let what = format!("{}: public, with a bool parameter: use an enum", f.name);
            Finding::new(&source.path, f.line, what)
        })
        .collect()
}

struct Function {
    name: String,
    line: usize,
    n_lines: usize,
    /// Types as written; `self` counts as one.
    parameters: Vec<String>,
    is_public: bool,
}

struct Collector {
    found: Vec<Function>,
    in_public_trait: bool,
}

impl Collector {
    fn add(&mut self, signature: &syn::Signature, end: proc_macro2::Span, is_public: bool) {
        let first = signature.span().start().line;
        let parameters = signature.inputs.iter().map(|input| match input {
            syn::FnArg::Receiver(_) => "self".to_owned(),
            syn::FnArg::Typed(typed) => match &*typed.ty {
                syn::Type::Path(path) if path.path.is_ident("bool") => "bool".to_owned(),
                _ => "other".to_owned(),
            },
        });
        self.found.push(Function {
            name: signature.ident.to_string(),
            line: first,
            n_lines: end.end().line - first + 1,
            parameters: parameters.collect(),
            is_public,
        });
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let is_public = matches!(item.vis, syn::Visibility::Public(_));
        self.add(&item.sig, item.block.span(), is_public);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let is_public = matches!(item.vis, syn::Visibility::Public(_));
        self.add(&item.sig, item.block.span(), is_public);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.in_public_trait = matches!(item.vis, syn::Visibility::Public(_));
        syn::visit::visit_item_trait(self, item);
        self.in_public_trait = false;
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add(&item.sig, item.span(), self.in_public_trait);
        syn::visit::visit_trait_item_fn(self, item);
    }
}

fn functions(source: &Source) -> Vec<Function> {
    let mut collector = Collector { found: Vec::new(), in_public_trait: false };
    collector.visit_file(&source.ast);
    collector.found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(n: usize) -> String {
        "    g();\n".repeat(n)
    }

    #[test]
    fn long_files_are_found() {
        let long = "const A: u8 = 0;\n".repeat(FILE_CEILING + 1);
        let check = |path, text: &str| check_file(&Source::parse(path, text)).len();
        assert_eq!(check("packet/src/x.rs", &long), 1);
        assert_eq!(check("packet/src/x.rs", &"const A: u8 = 0;\n".repeat(FILE_CEILING)), 0);
        assert_eq!(check("packet/src/x/tests.rs", &long), 0);
        let tested = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(check("packet/src/x.rs", &tested), 0);
    }

    #[test]
    fn long_functions_are_found() {
        let check = |text: &str| check_functions(&Source::parse("packet/src/x.rs", text)).len();
        let long = filled(FUNCTION_CEILING - 1);
        assert_eq!(check(&format!("fn f() {{\n{long}}}\n")), 1);
        assert_eq!(check(&format!("impl X {{ fn f() {{\n{long}}} }}\n")), 1);
        assert_eq!(check(&format!("mod m {{ trait T {{ fn f() {{\n{long}}} }} }}\n")), 1);
        assert_eq!(check(&format!("fn f() {{\n{}}}\n", filled(FUNCTION_CEILING - 2))), 0);
    }

    #[test]
    fn many_parameters_are_found() {
        let check = |text: &str| check_functions(&Source::parse("packet/src/x.rs", text)).len();
        assert_eq!(check("fn f(a: A, b: A, c: A, d: A, e: A, f: A) {}"), 1);
        assert_eq!(check("impl X { fn f(&self, b: A, c: A, d: A, e: A, f: A) {} }"), 1);
        assert_eq!(check("fn f(a: A, b: A, c: A, d: A, e: A) {}"), 0);
    }

    #[test]
    fn public_bools_are_found() {
        let check = |text: &str| check_bools(&Source::parse("packet/src/x.rs", text)).len();
        assert_eq!(check("pub fn f(a: bool) {}"), 1);
        assert_eq!(check("impl X { pub fn f(&self, a: bool) {} }"), 1);
        assert_eq!(check("pub trait T { fn f(&self, a: bool); }"), 1);
        assert_eq!(check("fn f(a: bool) {}\npub fn g(a: Up) -> bool { true }"), 0);
        assert_eq!(check("trait T { fn f(&self, a: bool); }"), 0);
    }
}
