"""What pages show of settlement, whoever looks: statements down to single uses, agreements.

Routes live with those who look (schools, bureaus, vendors) and say who may; here is what they show.
"""
