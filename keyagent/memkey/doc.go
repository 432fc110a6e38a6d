// Package memkey is MEMKEY/2.
package memkey
