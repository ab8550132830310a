package probe

import (
	"encoding/xml"
	"errors"
	"fmt"
)

const (
	xmppStreams = "http://etherx.jabber.org/streams"
	xmppTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
)

// xmppPrelude opens a stream of a client. What is read is bounded as any move's, so the parser is.
func xmppPrelude(v *conversation) error {
	open := fmt.Sprintf("<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='%s' version='1.0'>",
		v.c.ready.tls.ServerName, xmppStreams)
	if err := v.write(open); err != nil {
		return err
	}
	d := xml.NewDecoder(&byteReader{v: v})
	if err := v.xmppOffer(d); err != nil {
		return err
	}
	if err := v.write("<starttls xmlns='" + xmppTLS + "'/>"); err != nil {
		return err
	}
	start, err := v.xmppStart(d)
	switch {
	case err != nil:
		return err
	case start.Name == xml.Name{Space: xmppTLS, Local: "proceed"}:
		return v.xmlFault(d.Skip())
	}
	return &refusedError{"answered <" + clip(start.Name.Local, 80) + ">, wanted <proceed>"}
}

// xmppOffer reads the beginning of the stream and its features.
func (v *conversation) xmppOffer(d *xml.Decoder) error {
	start, err := v.xmppStart(d)
	if err == nil && (start.Name != xml.Name{Space: xmppStreams, Local: "stream"}) {
		err = &garbledError{"<" + clip(start.Name.Local, 80) + ">, which begins no stream of XMPP"}
	}
	if err != nil {
		return err
	}
	if start, err = v.xmppStart(d); err != nil {
		return err
	}
	if (start.Name != xml.Name{Space: xmppStreams, Local: "features"}) {
		return &refusedError{"answered <" + clip(start.Name.Local, 80) + ">, wanted <features>"}
	}
	var features struct {
		StartTLS *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-tls starttls"`
	}
	if err := d.DecodeElement(&features, &start); err != nil {
		return v.xmlFault(err)
	}
	if features.StartTLS == nil {
		return &refusedError{"does not offer STARTTLS"}
	}
	return nil
}

// xmppStart reads up to the next element that begins.
func (v *conversation) xmppStart(d *xml.Decoder) (xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return xml.StartElement{}, v.xmlFault(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			return e, nil
		case xml.EndElement:
			return xml.StartElement{}, &refusedError{"ended <" + clip(e.Name.Local, 80) + ">"}
		}
	}
}

// xmlFault tells what cannot be parsed from what did not come: the parser hides the end of the input in an error
// of its own.
func (v *conversation) xmlFault(err error) error {
	if err == nil {
		return nil
	}
	if lost, ok := errors.AsType[*lostError](err); ok {
		return lost.err
	}
	return &garbledError{"no XML: " + v.quote([]byte(err.Error()))}
}

// A lostError passes the error of a connection through the parser, which knows io.EOF and takes it for its own.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }

// A byteReader reads byte by byte, so that the parser takes no more than it needs.
type byteReader struct{ v *conversation }

// ReadByte implements io.ByteReader.
func (r *byteReader) ReadByte() (byte, error) {
	if len(r.v.buf) == 0 {
		if err := r.v.fill(); err != nil {
			return 0, &lostError{err}
		}
		r.v.hear(r.v.buf)
	}
	b := r.v.buf[0]
	r.v.take(1)
	return b, nil
}

// Read implements io.Reader.
func (r *byteReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	b[0] = c
	return 1, nil
}
