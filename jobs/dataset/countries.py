"""Which country a top-level domain is of: two letters, by ISO 3166 and IANA, and the names in other scripts.

It tells where a name is registered, not where those sit who use it: .io, .ai, .tv, .me and .co are used all over.
"""

_NAMES = """
ac Ascension Island; ad Andorra; ae United Arab Emirates; af Afghanistan; ag Antigua and Barbuda; ai Anguilla; al
Albania; am Armenia; ao Angola; aq Antarctica; ar Argentina; as American Samoa; at Austria; au Australia; aw Aruba;
ax Åland Islands; az Azerbaijan; ba Bosnia and Herzegovina; bb Barbados; bd Bangladesh; be Belgium; bf Burkina Faso;
bg Bulgaria; bh Bahrain; bi Burundi; bj Benin; bm Bermuda; bn Brunei; bo Bolivia; br Brazil; bs Bahamas; bt Bhutan;
bv Bouvet Island; bw Botswana; by Belarus; bz Belize; ca Canada; cc Cocos (Keeling) Islands; cd Congo (Democratic
Republic); cf Central African Republic; cg Congo; ch Switzerland; ci Côte d'Ivoire; ck Cook Islands; cl Chile; cm
Cameroon; cn China; co Colombia; cr Costa Rica; cu Cuba; cv Cabo Verde; cw Curaçao; cx Christmas Island; cy Cyprus;
cz Czechia; de Germany; dj Djibouti; dk Denmark; dm Dominica; do Dominican Republic; dz Algeria; ec Ecuador; ee
Estonia; eg Egypt; er Eritrea; es Spain; et Ethiopia; eu European Union; fi Finland; fj Fiji; fk Falkland Islands;
fm Micronesia; fo Faroe Islands; fr France; ga Gabon; gb United Kingdom; gd Grenada; ge Georgia; gf French Guiana;
gg Guernsey; gh Ghana; gi Gibraltar; gl Greenland; gm Gambia; gn Guinea; gp Guadeloupe; gq Equatorial Guinea; gr
Greece; gs South Georgia and the South Sandwich Islands; gt Guatemala; gu Guam; gw Guinea-Bissau; gy Guyana; hk Hong
Kong; hm Heard Island and McDonald Islands; hn Honduras; hr Croatia; ht Haiti; hu Hungary; id Indonesia; ie Ireland;
il Israel; im Isle of Man; in India; io British Indian Ocean Territory; iq Iraq; ir Iran; is Iceland; it Italy; je
Jersey; jm Jamaica; jo Jordan; jp Japan; ke Kenya; kg Kyrgyzstan; kh Cambodia; ki Kiribati; km Comoros; kn Saint
Kitts and Nevis; kp Korea (North); kr Korea (South); kw Kuwait; ky Cayman Islands; kz Kazakhstan; la Laos; lb
Lebanon; lc Saint Lucia; li Liechtenstein; lk Sri Lanka; lr Liberia; ls Lesotho; lt Lithuania; lu Luxembourg; lv
Latvia; ly Libya; ma Morocco; mc Monaco; md Moldova; me Montenegro; mg Madagascar; mh Marshall Islands; mk North
Macedonia; ml Mali; mm Myanmar; mn Mongolia; mo Macao; mp Northern Mariana Islands; mq Martinique; mr Mauritania; ms
Montserrat; mt Malta; mu Mauritius; mv Maldives; mw Malawi; mx Mexico; my Malaysia; mz Mozambique; na Namibia; nc
New Caledonia; ne Niger; nf Norfolk Island; ng Nigeria; ni Nicaragua; nl Netherlands; no Norway; np Nepal; nr Nauru;
nu Niue; nz New Zealand; om Oman; pa Panama; pe Peru; pf French Polynesia; pg Papua New Guinea; ph Philippines; pk
Pakistan; pl Poland; pm Saint Pierre and Miquelon; pn Pitcairn; pr Puerto Rico; ps Palestine; pt Portugal; pw Palau;
py Paraguay; qa Qatar; re Réunion; ro Romania; rs Serbia; ru Russia; rw Rwanda; sa Saudi Arabia; sb Solomon Islands;
sc Seychelles; sd Sudan; se Sweden; sg Singapore; sh Saint Helena; si Slovenia; sj Svalbard and Jan Mayen; sk
Slovakia; sl Sierra Leone; sm San Marino; sn Senegal; so Somalia; sr Suriname; ss South Sudan; st São Tomé and
Príncipe; su Soviet Union (former); sv El Salvador; sx Sint Maarten; sy Syria; sz Eswatini; tc Turks and Caicos
Islands; td Chad; tf French Southern Territories; tg Togo; th Thailand; tj Tajikistan; tk Tokelau; tl Timor-Leste;
tm Turkmenistan; tn Tunisia; to Tonga; tr Türkiye; tt Trinidad and Tobago; tv Tuvalu; tw Taiwan; tz Tanzania; ua
Ukraine; ug Uganda; uk United Kingdom; us United States; uy Uruguay; uz Uzbekistan; va Vatican City; vc Saint
Vincent and the Grenadines; ve Venezuela; vg Virgin Islands (British); vi Virgin Islands (US); vn Viet Nam; vu
Vanuatu; wf Wallis and Futuna; ws Samoa; ye Yemen; yt Mayotte; za South Africa; zm Zambia; zw Zimbabwe
"""
#: In punycode -> the two letters of the same country.
_OTHER_SCRIPTS = """
xn--4dbrk0ce=il xn--mgbaam7a8h=ae xn--y9a3aq=am xn--54b7fta0cc=bd xn--90ae=bg xn--mgbcpq6gpa1a=bh xn--90ais=by
xn--fiqs8s=cn xn--fiqz9s=cn xn--lgbbat1ad8j=dz xn--wgbh1c=eg xn--e1a4c=eu xn--qxa6a=eu xn--mgbah1a3hjkrd=mr
xn--node=ge xn--qxam=gr xn--j6w193g=hk xn--2scrj9c=in xn--3hcrj9c=in xn--45br5cyl=in xn--h2breg3eve=in
xn--h2brj9c8c=in xn--mgbgu82a=in xn--rvc1e0am3e=in xn--h2brj9c=in xn--mgbbh1a=in xn--mgbbh1a71e=in xn--fpcrj9c3d=in
xn--gecrj9c=in xn--s9brj9c=in xn--45brj9c=in xn--xkc2dl3a5ee0h=in xn--mgba3a4f16a=ir xn--mgba3a4fra=ir
xn--mgbtx2b=iq xn--mgbayh7gpa=jo xn--3e0b707e=kr xn--80ao21a=kz xn--q7ce6a=la xn--fzc2c9e2c=lk xn--xkc2al3hye2a=lk
xn--mgbc0a9azcg=ma xn--d1alf=mk xn--l1acc=mn xn--mix891f=mo xn--mix082f=mo xn--mgbx4cd0ab=my xn--mgb9awbf=om
xn--mgbai9azgqp6j=pk xn--mgbai9a5eva00b=pk xn--ygbi2ammx=ps xn--90a3ac=rs xn--p1ai=ru xn--wgbl6a=qa
xn--mgberp4a5d4ar=sa xn--mgberp4a5d4a87g=sa xn--mgbqly7c0a67fbc=sa xn--mgbqly7cvafr=sa xn--mgbpl2fh=sd
xn--clchc0ea0b2g2a9gcd=sg xn--ogbpf8fl=sy xn--mgbtf8fl=sy xn--o3cw4h=th xn--pgbs0dh=tn xn--kpry57d=tw xn--kprw13d=tw
xn--nnx388a=tw xn--j1amh=ua xn--mgb2ddes=ye
"""

COUNTRIES: dict[str, str] = {
    code: name for code, _, name in (entry.strip().partition(" ") for entry in _NAMES.replace("\n", " ").split(";"))
}
COUNTRIES |= {name: COUNTRIES[code] for name, _, code in (entry.partition("=") for entry in _OTHER_SCRIPTS.split())}
