//! How do layers of two kinds stand in one sequence?
//!
//! burn's own modules of an enum put the name of the variant into the path of every parameter; PyTorch's sequences have numbers
//! alone. This one has no name of its own.

use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::Device;

/// A layer of one kind or of the other; its parameters are found under its own place.
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// Of the one kind.
    One(A),
    /// Of the other.
    Other(B),
}

/// Does the same to whichever it is.
macro_rules! within {
    ($either:expr, $module:ident => $same:expr) => {
        match $either {
            Self::One($module) => Self::One($same),
            Self::Other($module) => Self::Other($same),
        }
    };
}

impl<A: Module, B: Module> Module for Either<A, B> {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        match self {
            Self::One(module) => module.visit(visitor),
            Self::Other(module) => module.visit(visitor),
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        within!(self, module => module.map(mapper))
    }

    fn to_device(self, device: &Device) -> Self {
        within!(self, module => module.to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        within!(self, module => module.fork(device))
    }

    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        match self {
            Self::One(module) => module.collect_devices(devices),
            Self::Other(module) => module.collect_devices(devices),
        }
    }

    fn materialize(self) -> Self {
        within!(self, module => module.materialize())
    }

    fn valid(&self) -> Self {
        within!(self, module => module.valid())
    }

    fn train(self) -> Self {
        within!(self, module => module.train())
    }
}

impl<A: Module, B: Module> ModuleDisplayDefault for Either<A, B> {
    fn content(&self, content: Content) -> Option<Content> {
        let names = match self {
            Self::One(_) => std::any::type_name::<A>(),
            Self::Other(_) => std::any::type_name::<B>(),
        };
        content.add_formatted(&names).optional()
    }
}

impl<A: Module, B: Module> ModuleDisplay for Either<A, B> {}
