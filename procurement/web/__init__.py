"""What pages show of a payer's money, whoever looks: its funding lines and how each came about.

Routes live with those who look (schools, bureaus) and say who may.
"""
