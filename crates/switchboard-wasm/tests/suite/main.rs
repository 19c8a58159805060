//! What a caller of `Program::call` sees, of good bundles and of hostile ones.

mod calls;
mod denied;
mod guest;
mod hostile;
mod loading;
mod neighbours;
mod places;
mod surroundings;
