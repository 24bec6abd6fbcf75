"""What goes wrong on Raspberry Pis: one look at a node, judged trap by trap. Changes nothing."""
