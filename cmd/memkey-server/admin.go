package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

const reload = "systemctl reload memkey-server (or SIGHUP), if the server runs"

func newAdmin(e *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "admin",
		Short: "the list of administrators: add, remove, list",
		Long: `The list of administrators is a file on this host (admins_file). It is never
changed over the network. The running server reads it again on SIGHUP.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for admin", args[0])
			}
			return fmt.Errorf("admin needs one of: add, remove, list")
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	var roles, name string
	add := &cobra.Command{
		Use:   "add PUBLIC-KEY --roles ROLES --name NAME",
		Short: "allow an administrator in",
		Long: `add puts an administrator on the list, or gives a listed one other roles.

PUBLIC-KEY is what memkey-admin init prints: 64 hex digits. A line of an
ssh-ed25519 public key works too (in quotes), for keys in an ssh-agent.

ROLES is a list with commas:
  deliver  bring the keys that are pinned
  enroll   say which keys are right: the first ones, and every rotation
  clear    wipe the keys; a panic button, give it sparingly
  share    bring one of k shares
  status   ask which keys are loaded`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return addAdmin(e, args, roles, name, cmd.OutOrStdout())
		},
	}
	add.Flags().StringVar(&roles, "roles", "", "what they may do, for example `deliver,enroll,clear,status`")
	add.Flags().StringVar(&name, "name", "", "who it is, for people: letters, digits and . _ @ -")
	for _, f := range []string{"roles", "name"} {
		if err := add.MarkFlagRequired(f); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	root.AddCommand(add,
		&cobra.Command{
			Use:   "remove NAME|FINGERPRINT|PUBLIC-KEY",
			Short: "take an administrator off the list",
			Args:  cobra.MinimumNArgs(1),
			RunE:  func(cmd *cobra.Command, args []string) error { return removeAdmin(e, args, cmd.OutOrStdout()) },
		},
		&cobra.Command{
			Use:   "list",
			Short: "print the list",
			Args:  cobra.NoArgs,
			RunE:  func(cmd *cobra.Command, _ []string) error { return listAdmins(e, cmd.OutOrStdout()) },
		})
	return root
}

// shownAdmin is an administrator as the commands print it.
type shownAdmin struct {
	Name        string `json:"name"`
	Roles       string `json:"roles"`
	Fingerprint string `json:"fingerprint"`
	Public      string `json:"public_key"`
}

func show(a memkey.Admin) shownAdmin {
	return shownAdmin{a.Name, a.Roles.String(), memkey.AdminFingerprint(a.Public).String(), fmt.Sprintf("%x", []byte(a.Public))}
}

func addAdmin(e *environment, args []string, roleList, name string, stdout io.Writer) error {
	s, err := e.load()
	if err != nil {
		return err
	}
	public, err := parsePublic(args)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("cannot add an administrator: %w", err), "memkey-server help admin add"}
	}
	roles, err := memkey.ParseRoles(roleList)
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("cannot add an administrator: %w", err), "memkey-server help admin add"}
	}
	admin := memkey.Admin{Public: public, Roles: roles, Name: name}
	err = editList(s.AdminsFile, func(l *adminList) error { return l.put(admin) })
	if err != nil {
		return listFailure("cannot add an administrator", s, err)
	}
	return printAdmin(e, "added", admin, stdout)
}

func removeAdmin(e *environment, args []string, stdout io.Writer) error {
	s, err := e.load()
	if err != nil {
		return err
	}
	var removed memkey.Admin
	err = editList(s.AdminsFile, func(l *adminList) (err error) {
		removed, err = l.remove(args)
		return err
	})
	if err != nil {
		return listFailure("cannot remove an administrator", s, err)
	}
	return printAdmin(e, "removed", removed, stdout)
}

func listFailure(what string, s *settings.Settings, err error) error {
	return &failure{exitFile, fmt.Errorf("%s: %s: %w", what, s.AdminsFile, pathless(err)), "memkey-server admin list"}
}

func printAdmin(e *environment, what string, a memkey.Admin, stdout io.Writer) error {
	if e.json {
		return printJSON(stdout, show(a))
	}
	v := show(a)
	_, err := fmt.Fprintf(stdout, "%s: %s (%s)\nfingerprint: %s\nnext: %s\n", what, v.Name, v.Roles, v.Fingerprint, reload)
	return written(err)
}

func listAdmins(e *environment, stdout io.Writer) error {
	s, err := e.load()
	if err != nil {
		return err
	}
	admins, err := readAdmins(s.AdminsFile)
	if err != nil {
		return &failure{exitFile, fmt.Errorf("cannot list the administrators: %s: %w", s.AdminsFile, pathless(err)), "ls -l " + s.AdminsFile}
	}
	if e.json {
		list := struct {
			Admins []shownAdmin `json:"admins"`
		}{[]shownAdmin{}}
		for _, a := range admins {
			list.Admins = append(list.Admins, show(a))
		}
		return printJSON(stdout, list)
	}
	for _, a := range admins {
		v := show(a)
		if _, err := fmt.Fprintf(stdout, "%s  %s  %s\n", v.Fingerprint, v.Roles, v.Name); err != nil {
			return written(err)
		}
	}
	return nil
}
