package server

import "context"

// objectParts is what GetObjectAttributes tells of the parts of an object.
type objectParts struct {
	IsTruncated          bool            `xml:"IsTruncated"`
	MaxParts             int             `xml:"MaxParts"`
	NextPartNumberMarker int             `xml:"NextPartNumberMarker,omitempty"`
	PartNumberMarker     int             `xml:"PartNumberMarker"`
	Parts                []attributePart `xml:"Part"`
	Count                int             `xml:"PartsCount"` // TotalPartsCount in AWS's SDKs
}

type attributePart struct {
	Number int   `xml:"PartNumber"`
	Size   int64 `xml:"Size"`
}

// partsPage reads which parts are asked for; the result has no parts yet.
func (r *request) partsPage() (page objectParts, err error) {
	page.MaxParts = maxListKeys
	if v := r.header("x-amz-max-parts"); v != "" {
		n, err := parseMax("x-amz-max-parts", v)
		if err != nil {
			return page, err
		}
		page.MaxParts = min(n, maxListKeys)
	}
	if v := r.header("x-amz-part-number-marker"); v != "" {
		page.PartNumberMarker, err = parseMax("x-amz-part-number-marker", v)
	}
	return page, err
}

// partsOf fills a page, nil for an object that was not uploaded in parts. Parts have the
// numbers under which GetObject reads them, from 1 without gaps, and their plain sizes.
func (s *Server) partsOf(ctx context.Context, o *stored, page objectParts) (*objectParts, error) {
	if o.multi == nil {
		return nil, nil
	}
	page.Count = o.multi.tail.Parts()
	first := min(page.PartNumberMarker, page.Count)
	end := min(first+page.MaxParts, page.Count)
	if end == first {
		return &page, nil
	}
	table, err := s.openTable(ctx, o)
	if err != nil {
		return nil, err
	}
	page.Parts = make([]attributePart, 0, end-first)
	for i := first; i < end; i++ {
		page.Parts = append(page.Parts, attributePart{i + 1, table.Part(i).PlainSize})
	}
	if page.IsTruncated = end < page.Count; page.IsTruncated {
		page.NextPartNumberMarker = end
	}
	return &page, nil
}
