package probe

const maxAddresses = 16
