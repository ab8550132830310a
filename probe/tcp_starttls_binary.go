package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// postgresSSL asks for TLS: the length of the message and the code 80877103.
const postgresSSL = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

func postgresPrelude(v *conversation) error {
	if err := v.write(postgresSSL); err != nil {
		return err
	}
	b, err := v.next(1)
	if err != nil {
		return err
	}
	v.hear(b)
	switch b[0] {
	case 'S':
		return nil
	case 'N':
		return &refusedError{"does not offer TLS (it answered N)"}
	case 'E':
		return &refusedError{"answered with an error: E" + v.quote(v.buf)}
	}
	return &garbledError{v.quote(b) + ", which is neither S nor N"}
}

// Flags of what a client and a server of MySQL are capable of.
const (
	mysqlProtocol41 = 0x0200
	mysqlSSL        = 0x0800
	mysqlSecureAuth = 0x8000
)

func mysqlPrelude(v *conversation) error {
	greeting, err := v.mysqlPacket()
	if err != nil {
		return err
	}
	if len(greeting) > 2 && greeting[0] == 0xff {
		return &refusedError{"greeted with an error: " + v.quote(greeting[3:])}
	}
	// The version is text up to a zero; after it come 13 bytes, then the lower half of the flags.
	end := bytes.IndexByte(greeting, 0)
	if len(greeting) == 0 || greeting[0] != 10 || end < 0 || len(greeting) < end+16 {
		return &garbledError{v.quote(greeting) + ", which is no greeting of MySQL, version 10"}
	}
	v.hear(greeting[1:end])
	if binary.LittleEndian.Uint16(greeting[end+14:])&mysqlSSL == 0 {
		return &refusedError{"does not offer TLS"}
	}
	request := make([]byte, 36)
	request[0], request[3] = 32, 1 // length of what follows, number of the packet
	binary.LittleEndian.PutUint32(request[4:], mysqlProtocol41|mysqlSSL|mysqlSecureAuth)
	binary.LittleEndian.PutUint32(request[8:], 1<<24) // longest packet
	request[12] = 45                                  // utf8mb4
	return v.write(string(request))
}

// maxMySQL is the longest greeting that is read; real ones have about a hundred bytes.
const maxMySQL = 4 << 10

// mysqlPacket reads a packet: three bytes of length, a number, and what is in it.
func (v *conversation) mysqlPacket() ([]byte, error) {
	head, err := v.next(4)
	if err != nil {
		return nil, err
	}
	if n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16; n <= maxMySQL {
		return v.next(n)
	}
	return nil, &garbledError{v.quote(append(head, v.buf...)) + ", which is no greeting of MySQL"}
}

// ldapStartTLS is the extended request 1.3.6.1.4.1.1466.20037 in a message with the number 1, in BER.
const ldapStartTLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + "1.3.6.1.4.1.1466.20037"

// Tags of BER that are looked at.
const (
	berInteger      = 0x02
	berOctets       = 0x04
	berEnumerated   = 0x0a
	berSequence     = 0x30
	ldapExtendedTag = 0x78 // [APPLICATION 24]
)

func ldapPrelude(v *conversation) error {
	if err := v.write(ldapStartTLS); err != nil {
		return err
	}
	message, err := v.ldapMessage()
	if err != nil {
		return err
	}
	v.hear(message)
	strange := &garbledError{v.quote(message) + ", which is no extended response of LDAP"}
	number, rest, ok := berElement(message, berInteger)
	response, _, ok2 := berElement(rest, ldapExtendedTag)
	code, rest, ok3 := berElement(response, berEnumerated)
	if !ok || !ok2 || !ok3 || len(number) != 1 || number[0] > 1 || len(code) != 1 {
		return strange
	}
	if number[0] == 1 && code[0] == 0 {
		return nil
	}
	_, rest, _ = berElement(rest, berOctets) // the matched name
	text, _, _ := berElement(rest, berOctets)
	return &refusedError{fmt.Sprintf("answered with the result %d %s", code[0], v.quote(text))}
}

// ldapMessage reads what is in a message, however its length is written.
func (v *conversation) ldapMessage() ([]byte, error) {
	head, err := v.next(2)
	if err != nil {
		return nil, err
	}
	n := int(head[1])
	if more := n - 0x80; more > 0 && more <= 4 {
		b, err := v.next(more)
		if err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint32(append(make([]byte, 4-more), b...)))
	} else if n >= 0x80 {
		n = maxWindow
	}
	if head[0] != berSequence || n >= maxWindow {
		return nil, &garbledError{v.quote(append(head, v.buf...)) + ", which is no message of LDAP"}
	}
	return v.next(n)
}

// berElement reads one element, which has to have this tag.
func berElement(b []byte, tag byte) (value, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, b := int(b[1]), b[2:]
	if more := n - 0x80; more >= 0 {
		if more == 0 || more > 4 || len(b) < more {
			return nil, nil, false
		}
		n = int(binary.BigEndian.Uint32(append(make([]byte, 4-more), b[:more]...)))
		b = b[more:]
	}
	if n < 0 || n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
