//! Translation, tested.
