package config

// origin is the word that a value came by, where that is not its variable.
type origin struct {
	// key names it in an error, example follows there.
	key, example string
}

// origins are those of variables, by their names without the prefix.
type origins map[string]origin

// key names a variable in an error: by the word its value came by.
func (o origins) key(variable string) string {
	if from, ok := o[variable]; ok {
		return from.key
	}
	return Prefix + "_" + variable
}

// example is what could be given instead.
func (o origins) example(variable string) string {
	if from, ok := o[variable]; ok {
		return from.example
	}
	return exampleOf(variable)
}
