//! The return type, as it may stand inside the body.

use syn::{GenericArgument, PathArguments, Type, TypeInfer};

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
