# vmhost
