//go:build !race

package bucket

const rotationPuts = 10_000
