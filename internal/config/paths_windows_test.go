package config

// root goes before the absolute paths of test files.
const root = "C:"
