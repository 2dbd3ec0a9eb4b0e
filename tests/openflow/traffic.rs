//! Traffic that flows direct.
