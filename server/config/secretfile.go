package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// readSecrets fills the secrets that a file or a systemd credential holds.
func (l *loader) readSecrets() {
	byName := make(map[string]Key, len(l.keys))
	fileOf := make(map[string]Key)
	for _, k := range l.keys {
		byName[k.Name] = k
		if k.FileFor != "" {
			fileOf[k.FileFor] = k
		}
	}
	for _, k := range l.keys {
		if !k.Secret() || l.failed[k.Name] {
			continue
		}
		fileKey := fileOf[k.Name]
		if path := fileKey.bind.get(l.config)[0]; path != "" && l.given[fileKey.Name].values != nil {
			if !l.failed[fileKey.Name] {
				l.secretFromFile(k, fileKey.Name, path)
			}
			continue
		}
		if _, ok := l.given[k.Name]; !ok {
			l.secretFromCredential(k)
		}
	}
}

// secretFromFile sets secret k from the file that fileKey names.
func (l *loader) secretFromFile(k Key, fileKey, path string) {
	v, err := readSecret(path)
	if err == nil {
		err = k.bind.set(l.config, []string{v})
	}
	if err != nil {
		l.fail(fileKey, shown(path), fmt.Sprintf("cannot take %s from it: %s", k.Name, orAllowed(err, k)))
		return
	}
	l.config.origins[k.Name] = l.given[fileKey].origin
}

// secretFromCredential sets secret k from systemd's credential of its name, if
// there is one (systemd.exec(5), LoadCredential=).
func (l *loader) secretFromCredential(k Key) {
	dir := l.env["CREDENTIALS_DIRECTORY"]
	if dir == "" {
		return
	}
	name := k.Name
	if k.isEntry() {
		name = k.credential(l.config)
	}
	v, err := readSecret(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = k.bind.set(l.config, []string{v})
	}
	if err != nil {
		l.fail(k.Name, "", "cannot take it from the systemd credential "+name+": "+orAllowed(err, k))
		return
	}
	l.config.origins[k.Name] = Origin{Credential: name}
}

func orAllowed(err error, k Key) string {
	if err == errNotAllowed {
		return "want " + k.Allowed
	}
	return err.Error()
}

// readSecret reads a file that holds one secret, less one line break at its end.
// An empty one is an error: whoever names a file means a secret.
func readSecret(path string) (string, error) {
	b, err := readBounded(path, maxSecretBytes)
	if err != nil {
		return "", err
	}
	v := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if v == "" {
		return "", errors.New("it is empty")
	}
	return v, nil
}

// publicFile tells whether every user of the machine may read path.
func publicFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}
