package config

import (
	"fmt"
	"os/user"
	"strconv"
)

// ServerUIDs are the user ids of ServerUsers; nil = root and the own user. It asks
// the system's list of users; the error is of type Problems.
func (c *Config) ServerUIDs() ([]int, error) {
	var uids []int
	for _, name := range c.Memkey.ServerUsers {
		uid, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			known, lookErr := user.Lookup(name)
			if lookErr == nil {
				uid, lookErr = strconv.ParseUint(known.Uid, 10, 31)
			}
			if lookErr != nil {
				const key = "memkey.server_users"
				o := c.origins[key]
				return nil, Problems{{File: o.File, Line: o.Line, Env: o.Env, Key: key, Why: fmt.Sprintf("there is no user %s on this machine", shown(name))}}
			}
		}
		uids = append(uids, int(uid))
	}
	return uids, nil
}
