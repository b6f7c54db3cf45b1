//go:build race

package bucket

// rotationPuts is less under the race detector, which takes ten times as long.
const rotationPuts = 2_000
