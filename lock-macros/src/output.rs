//! The return type: as it may stand inside the body, and whether it says that something works on later.

use syn::{GenericArgument, PathArguments, Type, TypeInfer, TypeParamBound};

/// Puts `_` where `impl Trait` stands: inside a body it cannot be written.
pub(crate) fn without_impl_trait(output: &Type) -> Type {
    let mut output = output.clone();
    replace(&mut output);
    output
}

fn replace(ty: &mut Type) {
    match ty {
        Type::ImplTrait(found) => {
            let underscore_token = syn::Token![_](found.impl_token.span);
            *ty = Type::Infer(TypeInfer { attrs: Vec::new(), underscore_token });
        }
        Type::Array(array) => replace(&mut array.elem),
        Type::Group(group) => replace(&mut group.elem),
        Type::Paren(paren) => replace(&mut paren.elem),
        Type::Ptr(pointer) => replace(&mut pointer.elem),
        Type::Reference(reference) => replace(&mut reference.elem),
        Type::Slice(slice) => replace(&mut slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(replace),
        Type::Path(path) => path.path.segments.iter_mut().for_each(|segment| replace_in(&mut segment.arguments)),
        _ => {}
    }
}

fn replace_in(arguments: &mut PathArguments) {
    if let PathArguments::AngleBracketed(arguments) = arguments {
        for argument in &mut arguments.args {
            if let GenericArgument::Type(ty) = argument {
                replace(ty);
            }
        }
    }
}

/// Traits of what does its work when it is polled or asked, and so after the function has returned.
const LATER: [&str; 6] = ["Future", "IntoFuture", "Stream", "TryStream", "FusedStream", "Iterator"];
const LATER_BOXES: [&str; 4] = ["BoxFuture", "LocalBoxFuture", "BoxStream", "LocalBoxStream"];

/// The part of a return type that spells something which does its work later, if there is one.
pub(crate) fn works_later(output: &Type) -> Option<&Type> {
    match output {
        Type::ImplTrait(found) => names_one(&found.bounds).then_some(output),
        Type::TraitObject(found) => names_one(&found.bounds).then_some(output),
        Type::Array(array) => works_later(&array.elem),
        Type::Group(group) => works_later(&group.elem),
        Type::Paren(paren) => works_later(&paren.elem),
        Type::Reference(reference) => works_later(&reference.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(works_later),
        Type::Path(path) if path.path.segments.last().is_some_and(|last| is_one_of(&last.ident, &LATER_BOXES)) => {
            Some(output)
        }
        Type::Path(path) => path.path.segments.iter().find_map(|segment| later_within(&segment.arguments)),
        _ => None,
    }
}

fn later_within(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => works_later(ty),
        _ => None,
    })
}

fn names_one<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> bool {
    bounds.into_iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| is_one_of(&last.ident, &LATER)),
        _ => false,
    })
}

fn is_one_of(name: &syn::Ident, names: &[&str]) -> bool {
    names.iter().any(|known| name == known)
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    fn later(output: &str) -> Option<String> {
        let output = syn::parse_str(output).expect("a type");
        works_later(&output).map(|found| found.to_token_stream().to_string().replace(' ', ""))
    }

    #[test]
    fn what_works_later_is_found_wherever_it_is_spelled() {
        for (output, found) in [
            ("impl Future<Output = u8>", "implFuture<Output=u8>"),
            ("Result<impl Stream<Item = u8> + Send, E>", "implStream<Item=u8>+Send"),
            ("Result<Pin<Box<dyn futures::Stream<Item = u8>>>, E>", "dynfutures::Stream<Item=u8>"),
            ("Option<(u8, BoxStream<'static, u8>)>", "BoxStream<'static,u8>"),
            ("Result<Box<dyn Iterator<Item = u8>>, E>", "dynIterator<Item=u8>"),
            ("Result<Response<futures::future::BoxFuture<'a, u8>>, E>", "futures::future::BoxFuture<'a,u8>"),
        ] {
            assert_eq!(later(output).as_deref(), Some(found), "{output}");
        }
    }

    #[test]
    fn other_types_say_nothing_of_later() {
        for output in [
            "Result<u8, E>",
            "impl Display",
            "Vec<u8>",
            "Result<Box<dyn Error>, E>",
            "std::vec::IntoIter<u8>",
            "Future",
        ] {
            assert_eq!(later(output), None, "{output}");
        }
    }
}
