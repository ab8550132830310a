package relay

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

const (
	caYears     = 10
	serverYears = 1
	clockSkew   = time.Hour // that a prober's clock may be behind when it first sees a certificate
)

// A ca issues the certificate of the centre. It is made at the first start.
type ca struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

// openCA loads the CA of a folder, or makes it.
func openCA(dir string, now time.Time) (*ca, error) {
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
		if err := makeCA(certFile, keyFile, now); err != nil {
			return nil, fmt.Errorf("make a CA: %w", err)
		}
	}
	text, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA %s and its key %s: %w", certFile, keyFile, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read the CA's key %s: it cannot sign", keyFile)
	}
	return &ca{cert: pair.Leaf, key: key, pem: text}, nil
}

// makeCA writes the key first: the CA is there when its certificate is.
func makeCA(certFile, keyFile string, now time.Time) error {
	key, keyPEM, err := makeKey()
	if err != nil {
		return err
	}
	template := &x509.Certificate{ // with a random serial number
		Subject:   pkix.Name{CommonName: "Gaikei CA"},
		NotBefore: now.Add(-clockSkew), NotAfter: now.AddDate(caYears, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writePrivate(keyFile, keyPEM); err != nil {
		return err
	}
	return writePrivate(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// issue makes a certificate for a server and writes it with its key into one file, so that the two always fit.
func (a *ca) issue(file string, hosts []string, now time.Time) (tls.Certificate, error) {
	key, keyPEM, err := makeKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	names, addresses := parseHosts(hosts)
	template := &x509.Certificate{ // with a random serial number
		Subject: pkix.Name{CommonName: "Gaikei"}, DNSNames: names,
		NotBefore: now.Add(-clockSkew), NotAfter: now.AddDate(serverYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, ip := range addresses {
		template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate for %v: %w", hosts, err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM...)
	if err := writePrivate(file, both); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(both, both)
}

func makeKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// writePrivate writes a file that only its owner can read, whole or not at all.
func writePrivate(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0o600, renameio.WithStaticPermissions(0o600))
}
