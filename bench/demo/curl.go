package main

// curlLines are commands for a shell that has sourced the env file. -k: the certificate is self-signed and made anew
// with every start.
func curlLines() []string {
	return []string{
		`s3() { curl -k -sS --fail-with-body --aws-sigv4 "aws:amz:$REGION:s3" --user "$ACCESS_KEY:$SECRET_KEY" -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "$@"; }`,
		`s3 -T README.md "$ENDPOINT/$BUCKET/hello.md"                    # store a file`,
		`s3 "$ENDPOINT/$BUCKET/hello.md"                                 # read it back`,
		`s3 "$ENDPOINT/$BUCKET/?list-type=2&prefix=hello"                # list, also prefix=dir%2F`,
		`s3 -X DELETE "$ENDPOINT/$BUCKET/hello.md"                       # delete`,
		`# curl signs the query as it is typed: sort the parameters by name, write / in a value as %2F, and give one`,
		`# without a value its = (delete=, uploads=). Otherwise the answer is 403 SignatureDoesNotMatch.`,
	}
}
